import Identity
import NIOCore

/// Writes JSON into a byte buffer without intermediate values: objects and arrays are opened, filled, closed.
///
/// The caller keeps the nesting right; commas are the writer's. Ids become strings, times ISO 8601.
public struct JSONWriter {
    public private(set) var buffer: ByteBuffer
    /// Whether the next name or element needs a comma before it.
    private var needsComma = false

    public init(capacity: Int = 512) {
        buffer = ByteBuffer()
        buffer.reserveCapacity(capacity)
    }

    // MARK: Structure

    public mutating func object(_ body: (inout JSONWriter) throws -> Void) rethrows {
        separate()
        buffer.writeInteger(UInt8(ascii: "{"))
        needsComma = false
        try body(&self)
        buffer.writeInteger(UInt8(ascii: "}"))
        needsComma = true
    }

    public mutating func array(_ body: (inout JSONWriter) throws -> Void) rethrows {
        separate()
        buffer.writeInteger(UInt8(ascii: "["))
        needsComma = false
        try body(&self)
        buffer.writeInteger(UInt8(ascii: "]"))
        needsComma = true
    }

    /// A member's name; its value comes next. Names are literals of the API and are not escaped.
    public mutating func name(_ name: StaticString) {
        separate()
        buffer.writeInteger(UInt8(ascii: "\""))
        buffer.writeStaticString(name)
        buffer.writeStaticString("\":")
        needsComma = false
    }

    /// A member's name that is not a literal of ours; escaped.
    public mutating func name(escaping name: String) {
        string(name)
        buffer.writeInteger(UInt8(ascii: ":"))
        needsComma = false
    }

    // MARK: Members of an object

    public mutating func member(_ name: StaticString, _ value: String) {
        self.name(name)
        string(value)
    }

    public mutating func member(_ name: StaticString, _ value: String?) {
        self.name(name)
        if let value { string(value) } else { null() }
    }

    public mutating func member(_ name: StaticString, _ value: Bool) {
        self.name(name)
        bool(value)
    }

    public mutating func member(_ name: StaticString, _ value: Int) {
        self.name(name)
        integer(Int64(value))
    }

    public mutating func member(_ name: StaticString, _ value: Int?) {
        self.name(name)
        if let value { integer(Int64(value)) } else { null() }
    }

    public mutating func member<Kind>(_ name: StaticString, _ value: EntityID<Kind>) {
        self.name(name)
        snowflake(value.snowflake)
    }

    public mutating func member<Kind>(_ name: StaticString, _ value: EntityID<Kind>?) {
        self.name(name)
        if let value { snowflake(value.snowflake) } else { null() }
    }

    public mutating func member(_ name: StaticString, _ value: Timestamp?) {
        self.name(name)
        if let value { timestamp(value) } else { null() }
    }

    /// A bit set as Discord writes permissions: a decimal string.
    public mutating func member(_ name: StaticString, bits value: UInt64) {
        self.name(name)
        snowflake(Snowflake(rawValue: value))
    }

    /// JSON that is encoded already.
    public mutating func member(_ name: StaticString, raw value: ByteBuffer) {
        self.name(name)
        raw(value)
    }

    public mutating func member(_ name: StaticString, object body: (inout JSONWriter) throws -> Void) rethrows {
        self.name(name)
        try object(body)
    }

    public mutating func member(_ name: StaticString, array body: (inout JSONWriter) throws -> Void) rethrows {
        self.name(name)
        try array(body)
    }

    public mutating func memberNull(_ name: StaticString) {
        self.name(name)
        null()
    }

    // MARK: Values

    public mutating func null() {
        separate()
        buffer.writeStaticString("null")
        needsComma = true
    }

    public mutating func bool(_ value: Bool) {
        separate()
        buffer.writeStaticString(value ? "true" : "false")
        needsComma = true
    }

    public mutating func integer(_ value: Int64) {
        separate()
        if value < 0 { buffer.writeInteger(UInt8(ascii: "-")) }
        digits(value.magnitude)
        needsComma = true
    }

    public mutating func double(_ value: Double) {
        separate()
        buffer.writeString(value.isFinite ? "\(value)" : "0")
        needsComma = true
    }

    public mutating func snowflake(_ value: Snowflake) {
        separate()
        buffer.writeInteger(UInt8(ascii: "\""))
        digits(value.rawValue)
        buffer.writeInteger(UInt8(ascii: "\""))
        needsComma = true
    }

    public mutating func timestamp(_ value: Timestamp) {
        separate()
        buffer.writeInteger(UInt8(ascii: "\""))
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 32) { bytes in
            value.write(to: bytes.bindMemory(to: UInt8.self))
        }
        buffer.writeInteger(UInt8(ascii: "\""))
        needsComma = true
    }

    public mutating func raw(_ value: ByteBuffer) {
        separate()
        buffer.writeImmutableBuffer(value)
        needsComma = true
    }

    /// A string, with `"`, `\` and control characters escaped.
    public mutating func string(_ value: String) {
        separate()
        buffer.writeInteger(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { bytes in
            var start = 0
            for (index, byte) in bytes.enumerated() where byte < 0x20 || byte == 0x22 || byte == 0x5c {
                buffer.writeBytes(UnsafeBufferPointer(rebasing: bytes[start..<index]))
                escape(byte)
                start = index + 1
            }
            buffer.writeBytes(UnsafeBufferPointer(rebasing: bytes[start...]))
        }
        buffer.writeInteger(UInt8(ascii: "\""))
        needsComma = true
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case 0x22: buffer.writeStaticString("\\\"")
        case 0x5c: buffer.writeStaticString("\\\\")
        case 0x0a: buffer.writeStaticString("\\n")
        case 0x0d: buffer.writeStaticString("\\r")
        case 0x09: buffer.writeStaticString("\\t")
        default:
            let hexadecimal: StaticString = "0123456789abcdef"
            buffer.writeStaticString("\\u00")
            buffer.writeInteger(hexadecimal.utf8Start[Int(byte >> 4)])
            buffer.writeInteger(hexadecimal.utf8Start[Int(byte & 0xf)])
        }
    }

    private mutating func digits(_ value: UInt64) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 20) { bytes in
            var value = value
            var at = 20
            repeat {
                at -= 1
                bytes[at] = UInt8(48 + value % 10)
                value /= 10
            } while value != 0
            let count = 20 - at
            for index in 0..<count { bytes[index] = bytes[at + index] }
            return count
        }
    }

    private mutating func separate() {
        if needsComma { buffer.writeInteger(UInt8(ascii: ",")) }
        needsComma = false
    }
}

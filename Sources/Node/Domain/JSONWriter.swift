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
        let count = name.utf8CodeUnitCount
        write(atMost: count + 3) { bytes, at in
            bytes[at] = UInt8(ascii: "\"")
            UnsafeMutableRawBufferPointer(rebasing: bytes[(at + 1)...]).copyMemory(
                from: UnsafeRawBufferPointer(start: name.utf8Start, count: count))
            bytes[at + 1 + count] = UInt8(ascii: "\"")
            bytes[at + 2 + count] = UInt8(ascii: ":")
            at += count + 3
        }
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

    public mutating func null() { literal("null") }

    public mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }

    public mutating func integer(_ value: Int64) {
        write(atMost: 20) { bytes, at in
            if value < 0 {
                bytes[at] = UInt8(ascii: "-")
                at += 1
            }
            JSONWriter.digits(value.magnitude, to: bytes, &at)
        }
    }

    public mutating func double(_ value: Double) {
        separate()
        buffer.writeString(value.isFinite ? "\(value)" : "0")
        needsComma = true
    }

    public mutating func snowflake(_ value: Snowflake) {
        write(atMost: 22) { bytes, at in
            bytes[at] = UInt8(ascii: "\"")
            at += 1
            JSONWriter.digits(value.rawValue, to: bytes, &at)
            bytes[at] = UInt8(ascii: "\"")
            at += 1
        }
    }

    public mutating func timestamp(_ value: Timestamp) {
        write(atMost: 34) { bytes, at in
            bytes[at] = UInt8(ascii: "\"")
            let text = UnsafeMutableRawBufferPointer(rebasing: bytes[(at + 1)...])
            at += 1 + value.write(to: text.bindMemory(to: UInt8.self))
            bytes[at] = UInt8(ascii: "\"")
            at += 1
        }
    }

    public mutating func raw(_ value: ByteBuffer) {
        separate()
        buffer.writeImmutableBuffer(value)
        needsComma = true
    }

    /// A string, with `"`, `\` and control characters escaped.
    public mutating func string(_ value: String) {
        var value = value
        value.withUTF8 { text in
            if text.contains(where: JSONWriter.mustBeEscaped) { return escaped(text) }
            // Most texts need no escape and are copied whole.
            write(atMost: text.count + 2) { bytes, at in
                bytes[at] = UInt8(ascii: "\"")
                UnsafeMutableRawBufferPointer(rebasing: bytes[(at + 1)...]).copyMemory(
                    from: UnsafeRawBufferPointer(text))
                bytes[at + 1 + text.count] = UInt8(ascii: "\"")
                at += text.count + 2
            }
        }
    }

    private static func mustBeEscaped(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x22 || byte == 0x5c }

    private mutating func escaped(_ text: UnsafeBufferPointer<UInt8>) {
        separate()
        buffer.writeInteger(UInt8(ascii: "\""))
        var start = 0
        for (index, byte) in text.enumerated() where JSONWriter.mustBeEscaped(byte) {
            buffer.writeBytes(UnsafeBufferPointer(rebasing: text[start..<index]))
            escape(byte)
            start = index + 1
        }
        buffer.writeBytes(UnsafeBufferPointer(rebasing: text[start...]))
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

    private mutating func literal(_ text: StaticString) {
        write(atMost: text.utf8CodeUnitCount) { bytes, at in
            UnsafeMutableRawBufferPointer(rebasing: bytes[at...]).copyMemory(
                from: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
            at += text.utf8CodeUnitCount
        }
    }

    /// Makes room once, writes the comma that is due and then what `body` writes from `at` on.
    @inline(__always)
    private mutating func write(atMost count: Int, _ body: (UnsafeMutableRawBufferPointer, inout Int) -> Void) {
        let isFirst = !needsComma
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count + 1) { bytes in
            var at = 0
            if !isFirst {
                bytes[0] = UInt8(ascii: ",")
                at = 1
            }
            body(bytes, &at)
            return at
        }
        needsComma = true
    }

    /// Writes a number's decimal digits, at most 20.
    @inline(__always)
    private static func digits(_ value: UInt64, to bytes: UnsafeMutableRawBufferPointer, _ at: inout Int) {
        var count = 1
        var rest = value / 10
        while rest != 0 {
            count += 1
            rest /= 10
        }
        rest = value
        for position in stride(from: at + count - 1, through: at, by: -1) {
            bytes[position] = UInt8(48 + rest % 10)
            rest /= 10
        }
        at += count
    }

    private mutating func separate() {
        if needsComma { buffer.writeInteger(UInt8(ascii: ",")) }
        needsComma = false
    }
}

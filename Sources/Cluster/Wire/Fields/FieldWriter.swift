import Identity
import NIOCore

/// Writes a message as tagged fields, the encoding of every message, log entry and stored value.
///
/// A field is a varint key, `number << 2 | kind`, and a value: kind 0 a varint, kind 1 eight bytes little-endian, kind
/// 2 a varint length and that many bytes. Fields may come in any order and any number; readers skip those they do not
/// know, so versions N and N+1 read each other. Zero, false and empty values are left out by the `…IfNot…` forms only.
public struct FieldWriter {
    public private(set) var buffer: ByteBuffer

    public init(buffer: ByteBuffer = ByteBuffer()) { self.buffer = buffer }

    /// The kinds of value that follow a key.
    enum Kind: UInt64 {
        case varint = 0
        case fixed64 = 1
        case bytes = 2
    }

    private mutating func key(_ field: Int, _ kind: Kind) {
        buffer.writeVarint(UInt64(field) << 2 | kind.rawValue)
    }

    public mutating func write(_ field: Int, _ value: UInt64) {
        key(field, .varint)
        buffer.writeVarint(value)
    }

    public mutating func write(_ field: Int, _ value: Int) {
        precondition(value >= 0, "a negative number needs zigzag: write(_:signed:)")
        write(field, UInt64(value))
    }

    /// Zigzag, so that small negative numbers stay short.
    public mutating func write(_ field: Int, signed value: Int64) {
        write(field, UInt64(bitPattern: value << 1 ^ value >> 63))
    }

    public mutating func write(_ field: Int, _ value: Bool) { write(field, UInt64(value ? 1 : 0)) }

    /// Eight bytes: for ids and random numbers, which a varint would lengthen.
    public mutating func write(_ field: Int, fixed value: UInt64) {
        key(field, .fixed64)
        buffer.writeInteger(value, endianness: .little)
    }

    public mutating func write(_ field: Int, _ value: Snowflake) { write(field, fixed: value.rawValue) }
    public mutating func write<Kind>(_ field: Int, _ value: EntityID<Kind>) { write(field, fixed: value.rawValue) }
    public mutating func write(_ field: Int, _ value: Timestamp) { write(field, signed: value.milliseconds) }
    public mutating func write(_ field: Int, _ value: Epoch) { write(field, value.rawValue) }
    public mutating func write(_ field: Int, _ value: LogIndex) { write(field, value.rawValue) }
    public mutating func write(_ field: Int, _ value: Slot) { write(field, UInt64(value.rawValue)) }

    public mutating func write(_ field: Int, _ value: String) {
        key(field, .bytes)
        var text = value
        text.withUTF8 { bytes in
            buffer.writeVarint(UInt64(bytes.count))
            buffer.writeBytes(bytes)
        }
    }

    public mutating func write(_ field: Int, _ value: [UInt8]) {
        key(field, .bytes)
        buffer.writeVarint(UInt64(value.count))
        buffer.writeBytes(value)
    }

    public mutating func write(_ field: Int, _ value: ByteBuffer) {
        key(field, .bytes)
        buffer.writeVarint(UInt64(value.readableBytes))
        buffer.writeImmutableBuffer(value)
    }

    /// A message within the message.
    public mutating func write(_ field: Int, nested body: (inout FieldWriter) -> Void) {
        key(field, .bytes)
        let start = buffer.writerIndex
        // Most lengths take one byte. For a longer one what follows is moved, which costs less than a buffer of its own.
        buffer.writeInteger(UInt8(0))
        body(&self)
        let length = buffer.writerIndex - start - 1
        let bits = UInt64.bitWidth - UInt64(length).leadingZeroBitCount
        let size = max(1, (bits + 6) / 7)
        if size > 1 {
            buffer.writeRepeatingByte(0, count: size - 1)
            buffer.withVeryUnsafeMutableBytes { bytes in
                let moved = UnsafeRawBufferPointer(rebasing: bytes[(start + 1)..<(start + 1 + length)])
                UnsafeMutableRawBufferPointer(rebasing: bytes[(start + size)...]).copyMemory(from: moved)
            }
        }
        for offset in 0..<size {
            let group = UInt8(truncatingIfNeeded: length >> (7 * offset)) & 0x7f
            buffer.setInteger(offset == size - 1 ? group : group | 0x80, at: start + offset)
        }
    }

    public mutating func write(_ field: Int, _ value: some FieldCodable) {
        write(field, nested: { value.encode(into: &$0) })
    }

    /// Writes the field only when there is a value.
    public mutating func write(_ field: Int, ifPresent value: String?) {
        if let value { write(field, value) }
    }

    public mutating func write<Kind>(_ field: Int, ifPresent value: EntityID<Kind>?) {
        if let value { write(field, value) }
    }

    public mutating func write(_ field: Int, ifPresent value: Timestamp?) {
        if let value { write(field, value) }
    }

    public mutating func write(_ field: Int, ifPresent value: UInt64?) {
        if let value { write(field, value) }
    }

    public mutating func write(_ field: Int, ifPresent value: ByteBuffer?) {
        if let value { write(field, value) }
    }
}

extension ByteBuffer {
    /// Little-endian base 128: seven bits a byte, the high bit set on all but the last; 1 to 10 bytes.
    public mutating func writeVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        writeInteger(UInt8(rest))
    }

    /// Reads what ``writeVarint(_:)`` wrote. `nil`, and nothing consumed, when the bytes end early.
    ///
    /// - Throws: ``FieldError/varintTooLong`` when the value does not fit 64 bits.
    public mutating func readVarint() throws(FieldError) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        var offset = readerIndex
        while let byte: UInt8 = getInteger(at: offset) {
            offset += 1
            if shift == 63, byte > 1 { throw .varintTooLong }
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 {
                moveReaderIndex(to: offset)
                return value
            }
            shift += 7
            if shift > 63 { throw .varintTooLong }
        }
        return nil
    }
}

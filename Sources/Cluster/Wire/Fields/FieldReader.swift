import Identity
import NIOCore

/// What can be wrong with encoded fields. Decoders are total: every input gives a value or one of these.
public enum FieldError: Error, Equatable, Sendable {
    case truncated
    case varintTooLong
    /// A key of kind 3.
    case unknownKind
    /// A field has another kind, or is out of its range.
    case invalidField(Int)
    case missingField(Int)
    case tooDeep
}

/// Reads a message of tagged fields (see ``FieldWriter``), field by field, without copying bodies.
public struct FieldReader {
    /// How deep messages may nest.
    public static let maximumDepth = 16

    private var buffer: ByteBuffer
    private let depth: Int

    public init(_ buffer: ByteBuffer) {
        self.buffer = buffer
        depth = 0
    }

    private init(_ buffer: ByteBuffer, depth: Int) {
        self.buffer = buffer
        self.depth = depth
    }

    /// One field: its number and value, not yet interpreted.
    public struct Field {
        public let number: Int
        enum Value {
            case integer(UInt64)
            case fixed(UInt64)
            case bytes(ByteBuffer)
        }
        let value: Value
        let depth: Int
    }

    /// The next field, or `nil` at the end.
    public mutating func next() throws(FieldError) -> Field? {
        guard buffer.readableBytes > 0 else { return nil }
        guard let key = try buffer.readVarint() else { throw .truncated }
        guard key >> 2 <= UInt64(Int32.max) else { throw .unknownKind }
        let number = Int(key >> 2)
        switch FieldWriter.Kind(rawValue: key & 3) {
        case .varint:
            guard let value = try buffer.readVarint() else { throw .truncated }
            return Field(number: number, value: .integer(value), depth: depth)
        case .fixed64:
            guard let value: UInt64 = buffer.readInteger(endianness: .little) else { throw .truncated }
            return Field(number: number, value: .fixed(value), depth: depth)
        case .bytes:
            guard let count = try buffer.readVarint() else { throw .truncated }
            guard count <= UInt64(buffer.readableBytes), let slice = buffer.readSlice(length: Int(count)) else {
                throw .truncated
            }
            return Field(number: number, value: .bytes(slice), depth: depth)
        case nil:
            throw .unknownKind
        }
    }
}

extension FieldReader.Field {
    public func uint64() throws(FieldError) -> UInt64 {
        guard case .integer(let value) = value else { throw .invalidField(number) }
        return value
    }

    public func int() throws(FieldError) -> Int {
        guard let value = Int(exactly: try uint64()) else { throw .invalidField(number) }
        return value
    }

    public func signed() throws(FieldError) -> Int64 {
        let value = try uint64()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    public func bool() throws(FieldError) -> Bool { try uint64() != 0 }

    public func fixed() throws(FieldError) -> UInt64 {
        guard case .fixed(let value) = value else { throw .invalidField(number) }
        return value
    }

    public func snowflake() throws(FieldError) -> Snowflake { Snowflake(rawValue: try fixed()) }

    public func id<Kind>(_: Kind.Type = Kind.self) throws(FieldError) -> EntityID<Kind> {
        EntityID(rawValue: try fixed())
    }

    public func timestamp() throws(FieldError) -> Timestamp { Timestamp(milliseconds: try signed()) }
    public func epoch() throws(FieldError) -> Epoch { Epoch(rawValue: try uint64()) }
    public func logIndex() throws(FieldError) -> LogIndex { LogIndex(rawValue: try uint64()) }

    public func slot() throws(FieldError) -> Slot {
        guard let raw = UInt16(exactly: try uint64()), let slot = Slot(rawValue: raw) else {
            throw .invalidField(number)
        }
        return slot
    }

    /// A slice that shares the message's memory.
    public func bytes() throws(FieldError) -> ByteBuffer {
        guard case .bytes(let value) = value else { throw .invalidField(number) }
        return value
    }

    /// UTF-8; broken sequences are refused.
    public func string() throws(FieldError) -> String {
        let bytes = try bytes()
        guard let text = bytes.withUnsafeReadableBytes({ String(validating: $0, as: UTF8.self) }) else {
            throw .invalidField(number)
        }
        return text
    }

    public func message() throws(FieldError) -> FieldReader {
        guard depth + 1 < FieldReader.maximumDepth else { throw .tooDeep }
        return FieldReader(try bytes(), depth: depth + 1)
    }

    public func message<Message: FieldCodable>(_: Message.Type = Message.self) throws(FieldError) -> Message {
        try Message(from: try message())
    }
}

/// A value that is encoded as tagged fields.
public protocol FieldCodable {
    func encode(into writer: inout FieldWriter)
    init(from reader: FieldReader) throws(FieldError)
}

extension FieldCodable {
    public func encoded() -> ByteBuffer {
        var writer = FieldWriter()
        encode(into: &writer)
        return writer.buffer
    }

    public init(decoding buffer: ByteBuffer) throws(FieldError) {
        try self.init(from: FieldReader(buffer))
    }
}

extension Optional {
    /// The value of a field that must have been there.
    public func required(_ field: Int) throws(FieldError) -> Wrapped {
        guard let self else { throw .missingField(field) }
        return self
    }
}

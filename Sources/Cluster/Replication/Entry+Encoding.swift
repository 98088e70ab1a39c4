import Identity
import NIOCore
import Wire

/// What can be wrong with an encoded entry.
public enum EntryError: Error, Hashable, Sendable {
    case truncated
    case tooLarge(Int)
    /// Written by a newer version of Guildhall.
    case unknownFormat(UInt8)
    /// The bytes are not those that were written.
    case wrongChecksum
    case malformed(String)
}

/// A byte of format version, four of CRC-32C over the rest (little-endian), then tagged fields.
extension Entry {
    /// The encoding that this version writes; it reads all up to this one.
    public static let formatVersion: UInt8 = 1
    static let headSize = 5

    public func encoded() -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(256 + operations.reduce(0) { $0 + $1.size } + events.reduce(0) { $0 + $1.readableBytes })
        buffer.writeInteger(Entry.formatVersion)
        buffer.writeInteger(UInt32(0))
        var writer = FieldWriter(buffer: buffer)
        buffer = ByteBuffer()
        writer.write(1, slot)
        writer.write(2, epoch)
        writer.write(3, index)
        writer.write(4, time)
        writer.write(5, idMark)
        for operation in operations { writer.write(6) { operation.encode(into: &$0) } }
        for event in events { writer.write(7, event) }
        if let request { writer.write(8) { request.encode(into: &$0) } }
        for item in outbox {
            writer.write(9) {
                $0.write(1, item.destination)
                $0.write(2, item.number)
                $0.write(3, item.effect)
            }
        }
        if commitIndex > .zero { writer.write(10, commitIndex) }
        var encoded = writer.buffer
        writer = FieldWriter()
        let checksum = encoded.withUnsafeReadableBytes {
            Checksum.crc32c(UnsafeRawBufferPointer(rebasing: $0.dropFirst(Entry.headSize)))
        }
        encoded.setInteger(checksum, at: encoded.readerIndex + 1, endianness: .little)
        return encoded
    }

    /// - Throws: ``EntryError``; every input gives an entry or an error.
    public init(decoding buffer: ByteBuffer) throws(EntryError) {
        var buffer = buffer
        guard buffer.readableBytes <= Entry.maximumSize else { throw .tooLarge(buffer.readableBytes) }
        guard let version: UInt8 = buffer.readInteger() else { throw .truncated }
        guard version == Entry.formatVersion else { throw .unknownFormat(version) }
        guard let checksum: UInt32 = buffer.readInteger(endianness: .little) else { throw .truncated }
        guard buffer.withUnsafeReadableBytes({ Checksum.crc32c($0) }) == checksum else { throw .wrongChecksum }
        do {
            try self.init(from: FieldReader(buffer))
        } catch {
            throw .malformed("\(error)")
        }
    }

    private init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var slot: Slot?
        var index: LogIndex?
        self.init(
            slot: Slot(truncating: 0), epoch: .zero, index: .zero, time: Timestamp(milliseconds: 0),
            idMark: Snowflake(rawValue: 0))
        while let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: epoch = try field.epoch()
            case 3: index = try field.logIndex()
            case 4: time = try field.timestamp()
            case 5: idMark = try field.snowflake()
            case 6: operations.append(try Operation(from: field.message()))
            case 7: events.append(try field.bytes())
            case 8: request = try Request(from: field.message())
            case 9: outbox.append(try OutboxItem(from: field.message()))
            case 10: commitIndex = try field.logIndex()
            default: break
            }
        }
        self.slot = try slot.required(1)
        self.index = try index.required(3)
    }
}

extension Entry.Operation {
    /// About how many bytes it takes in an entry.
    public var size: Int {
        switch self {
        case .put(_, let key, let value): key.count + value.readableBytes + 16
        case .delete(_, let key): key.count + 16
        case .deleteRange(_, let from, let upTo): from.count + upTo.count + 16
        }
    }

    fileprivate func encode(into writer: inout FieldWriter) {
        switch self {
        case .put(let family, let key, let value):
            writer.write(1, UInt64(family))
            writer.write(2, key)
            writer.write(3, value)
        case .delete(let family, let key):
            writer.write(1, UInt64(family))
            writer.write(4, key)
        case .deleteRange(let family, let from, let upTo):
            writer.write(1, UInt64(family))
            writer.write(5, from)
            writer.write(6, upTo)
        }
    }

    fileprivate init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var family: UInt8?
        var putKey: [UInt8]?
        var value = ByteBuffer()
        var deletedKey: [UInt8]?
        var from: [UInt8]?
        var upTo: [UInt8]?
        while let field = try reader.next() {
            switch field.number {
            case 1: family = UInt8(exactly: try field.uint64())
            case 2: putKey = try field.rowKey()
            case 3: value = try field.bytes()
            case 4: deletedKey = try field.rowKey()
            case 5: from = try field.rowKey()
            case 6: upTo = try field.rowKey()
            default: break
            }
        }
        let known = try family.required(1)
        if let putKey {
            self = .put(family: known, key: putKey, value: value)
        } else if let deletedKey {
            self = .delete(family: known, key: deletedKey)
        } else {
            self = .deleteRange(family: known, from: try from.required(5), upTo: try upTo.required(6))
        }
    }
}

extension FieldReader.Field {
    fileprivate func rowKey() throws(FieldError) -> [UInt8] {
        let bytes = try bytes()
        guard bytes.readableBytes <= Entry.maximumKeyLength else { throw .invalidField(number) }
        return Array(buffer: bytes)
    }
}

extension Entry.Request: FieldCodable {
    public func encode(into writer: inout FieldWriter) {
        writer.write(1, id.mintedMilliseconds)
        writer.write(2, fixed: id.random)
        reply.encode(into: &writer)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var fields = reader
        var minted: UInt64?
        var random: UInt64 = 0
        while let field = try fields.next() {
            switch field.number {
            case 1: minted = try field.uint64()
            case 2: random = try field.fixed()
            default: break
            }
        }
        id = RequestID(mintedMilliseconds: try minted.required(1), random: random)
        reply = try Entry.RememberedReply(from: reader)
    }
}

extension Entry.RememberedReply: FieldCodable {
    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .pending(let parameters):
            guard let parameters else { break }
            writer.write(7, true)
            Self.write(parameters, into: &writer)
        case .inline(let status, let body):
            writer.write(3, status)
            writer.write(4, body)
        case .reference(let status, let operation, let parameters):
            writer.write(3, status)
            writer.write(5, operation)
            Self.write(parameters, into: &writer)
        }
    }

    private static func write(_ parameters: [String: String], into writer: inout FieldWriter) {
        // Every replica writes the row anew: in an order that is the same everywhere.
        for (name, value) in parameters.sorted(by: { $0.key < $1.key }) {
            writer.write(6) {
                $0.write(1, name)
                $0.write(2, value)
            }
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var status: Int?
        var body = ByteBuffer()
        var operation: String?
        var parameters: [String: String] = [:]
        var isResumable = false
        while let field = try reader.next() {
            switch field.number {
            case 3: status = try field.int()
            case 4: body = try field.bytes()
            case 5: operation = try field.string()
            case 6:
                var (name, value) = ("", "")
                var pair = try field.message()
                while let part = try pair.next() {
                    switch part.number {
                    case 1: name = try part.string()
                    case 2: value = try part.string()
                    default: break
                    }
                }
                parameters[name] = value
            case 7: isResumable = try field.bool()
            default: break
            }
        }
        guard let status else {
            self = .pending(resuming: isResumable ? parameters : nil)
            return
        }
        if let operation {
            self = .reference(status: status, operation: operation, parameters: parameters)
        } else {
            self = .inline(status: status, body: body)
        }
    }
}

extension Entry.OutboxItem {
    fileprivate init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var destination: Slot?
        var number: UInt64?
        var effect = ByteBuffer()
        while let field = try reader.next() {
            switch field.number {
            case 1: destination = try field.slot()
            case 2: number = try field.uint64()
            case 3: effect = try field.bytes()
            default: break
            }
        }
        self.init(destination: try destination.required(1), number: try number.required(2), effect: effect)
    }
}

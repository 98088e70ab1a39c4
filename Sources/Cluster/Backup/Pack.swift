import NIOCore
import Replication

/// The bytes of a backup's objects: records in compressed chunks.
///
/// A head of six bytes (`GHBK`, format version, kind), then chunks: three little-endian numbers of 32 bits (length before
/// compression, length after, CRC-32C of the compressed bytes) and the bytes of one zlib stream. Before compression a
/// chunk is a run of records: of rows a byte of family, length and key, length and value; of entries length and the
/// encoded entry, which has a checksum of its own; lengths are little-endian numbers of 32 bits.
public enum Pack {
    public static let formatVersion: UInt8 = 1
    static let magic = Array("GHBK".utf8)
    static let headSize = 6
    static let chunkHeadSize = 12
    /// A chunk is closed when it has this many bytes before compression.
    static let chunkSize = 1 << 20
    /// The longest key or value or entry.
    public static let maximumRecord = Entry.maximumSize + 4_096
    static let maximumChunk = chunkSize + maximumRecord
    /// A pack is full when it has this many bytes; its last chunk may go beyond.
    public static let fullSize = 8 << 20
    /// No pack is larger.
    public static let maximumSize = fullSize + maximumChunk + 65_536

    public enum Kind: UInt8, Sendable, CaseIterable {
        case rows = 1
        case entries = 2
    }

    public enum Record: Hashable, Sendable {
        case row(family: UInt8, key: [UInt8], value: ByteBuffer)
        case entry(ByteBuffer)
    }
}

/// Makes one pack.
public struct PackWriter: Sendable {
    public let kind: Pack.Kind
    private var output = ByteBuffer()
    private var chunk = ByteBuffer()
    public private(set) var records = 0

    public init(kind: Pack.Kind) {
        self.kind = kind
        output.writeBytes(Pack.magic)
        output.writeInteger(Pack.formatVersion)
        output.writeInteger(kind.rawValue)
    }

    /// Whether the next record belongs into another pack.
    public var isFull: Bool { output.readableBytes >= Pack.fullSize }

    public mutating func add(_ record: Pack.Record) {
        switch (record, kind) {
        case (.row(let family, let key, let value), .rows):
            chunk.writeInteger(family)
            chunk.writeInteger(UInt32(key.count), endianness: .little)
            chunk.writeBytes(key)
            chunk.writeInteger(UInt32(value.readableBytes), endianness: .little)
            chunk.writeImmutableBuffer(value)
        case (.entry(let entry), .entries):
            chunk.writeInteger(UInt32(entry.readableBytes), endianness: .little)
            chunk.writeImmutableBuffer(entry)
        default: preconditionFailure("a pack holds records of one kind, and its maker chose it")
        }
        records += 1
        if chunk.readableBytes >= Pack.chunkSize { closeChunk() }
    }

    private mutating func closeChunk() {
        guard chunk.readableBytes > 0 else { return }
        let compressed = Deflate.compress(chunk)
        output.writeInteger(UInt32(chunk.readableBytes), endianness: .little)
        output.writeInteger(UInt32(compressed.readableBytes), endianness: .little)
        output.writeInteger(
            compressed.withUnsafeReadableBytes { Checksum.crc32c($0) }, endianness: .little)
        output.writeImmutableBuffer(compressed)
        chunk.clear()
    }

    /// The pack's bytes.
    public mutating func finish() -> ByteBuffer {
        closeChunk()
        return output
    }
}

/// Reads one pack. Every input gives records, the end or an error, and nothing is allocated before its length is
/// checked.
public struct PackReader: Sendable {
    public let kind: Pack.Kind
    private var input: ByteBuffer
    private var chunk = ByteBuffer()

    public init(_ bytes: ByteBuffer) throws(PackError) {
        input = bytes
        guard bytes.readableBytes <= Pack.maximumSize else { throw .tooLarge(bytes.readableBytes) }
        guard let magic = input.readBytes(length: 4), let version: UInt8 = input.readInteger(),
            let number: UInt8 = input.readInteger()
        else { throw .truncated }
        guard magic == Pack.magic else { throw .notAPack }
        guard version == Pack.formatVersion else { throw .unknownFormat(version) }
        guard let kind = Pack.Kind(rawValue: number) else { throw .unknownKind(number) }
        self.kind = kind
    }

    /// The next record; `nil` at the end.
    public mutating func next() throws(PackError) -> Pack.Record? {
        while chunk.readableBytes == 0 {
            if input.readableBytes == 0 { return nil }
            try readChunk()
        }
        switch kind {
        case .rows:
            guard let family: UInt8 = chunk.readInteger() else { throw .truncated }
            let key = try readPiece()
            let value = try readPiece()
            return .row(family: family, key: Array(key.readableBytesView), value: value)
        case .entries: return .entry(try readPiece())
        }
    }

    private mutating func readPiece() throws(PackError) -> ByteBuffer {
        guard let length: UInt32 = chunk.readInteger(endianness: .little) else { throw .malformed("a length is cut") }
        guard length <= UInt32(Pack.maximumRecord) else { throw .tooLarge(Int(length)) }
        guard let piece = chunk.readSlice(length: Int(length)) else { throw .malformed("a record is cut") }
        return piece
    }

    private mutating func readChunk() throws(PackError) {
        guard let length: UInt32 = input.readInteger(endianness: .little),
            let compressedLength: UInt32 = input.readInteger(endianness: .little),
            let checksum: UInt32 = input.readInteger(endianness: .little)
        else { throw .truncated }
        guard length <= UInt32(Pack.maximumChunk) else { throw .tooLarge(Int(length)) }
        guard let compressed = input.readSlice(length: Int(compressedLength)) else { throw .truncated }
        guard compressed.withUnsafeReadableBytes({ Checksum.crc32c($0) }) == checksum else { throw .wrongChecksum }
        guard length > 0 else { throw .malformed("a chunk is empty") }
        guard let plain = Deflate.decompress(compressed, to: Int(length)) else {
            throw .malformed("a chunk does not unpack to \(length) bytes")
        }
        chunk = plain
    }
}

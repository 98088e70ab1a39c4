import Domain
import Identity
import NIOCore
import Replication
import Wire

/// What the rows of a range come to: equal for replicas that have applied the same entries, and only then, but for
/// chance. It depends on the order of the rows, and tells where a key ends and its value begins.
public struct RowsChecksum: Hashable, Sendable {
    public var rows = 0
    /// Of keys and values.
    public var bytes = 0
    /// CRC-32C.
    public var checksum: UInt32 = 0

    public init() {}

    mutating func add(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        withUnsafeBytes(of: (UInt32(key.count).littleEndian, UInt32(value.count).littleEndian)) {
            checksum = Checksum.crc32c($0, following: checksum)
        }
        checksum = Checksum.crc32c(key, following: checksum)
        checksum = Checksum.crc32c(value, following: checksum)
        rows += 1
        bytes += key.count + value.count
    }
}

extension RowsChecksum: FieldCodable {
    public func encode(into writer: inout FieldWriter) {
        writer.write(1, rows)
        writer.write(2, bytes)
        writer.write(3, UInt64(checksum))
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init()
        while let field = try reader.next() {
            switch field.number {
            case 1: rows = try field.int()
            case 2: bytes = try field.int()
            case 3:
                guard let value = UInt32(exactly: try field.uint64()) else { throw .invalidField(3) }
                checksum = value
            default: break
            }
        }
    }
}

extension StateSnapshot {
    /// Sums up the rows of a family in [`from`, `upTo`), for comparison with another replica at the same applied index
    /// (``applied()``). Reads past the block cache. Blocks.
    ///
    /// To go through a family in pieces, ask one replica for at most `maximumRows`, and the others for the same range
    /// up to the `next` that it gave.
    ///
    /// - Parameter upTo: `nil` for the end of the family.
    /// - Returns: the sum, and the key of the first row that it does not cover, when `maximumRows` ended it.
    /// - Throws: ``StorageFailure``.
    public func checksum(
        _ family: Family, from: [UInt8], upTo: [UInt8]?, maximumRows: Int = .max
    ) throws -> (sum: RowsChecksum, next: [UInt8]?) {
        var sum = RowsChecksum()
        var next: [UInt8]?
        try scanWhole(family, from: from, upTo: upTo) { key, value in
            guard sum.rows < maximumRows else {
                next = Array(key.dropFirst(2))
                return false
            }
            sum.add(UnsafeRawBufferPointer(rebasing: key.dropFirst(2)), value)
            return true
        }
        return (sum, next)
    }
}

import Crypto
import Foundation
import NIOCore
import Wire

/// The byte layout of the embedded coordinator's two files: pure functions from bytes to bytes.
///
/// Each file begins with a header: eight bytes of magic, the format's version (4 bytes, little-endian), the generation
/// (8 bytes). Frames follow: the payload's length (4 bytes), the first eight bytes of SHA-256 over length and payload,
/// the payload. A journal holds a ``CoordinatorRecord`` a frame; a snapshot holds one frame with the whole state. The
/// journal of generation G continues the snapshot of generation G; generation 0 has no snapshot.
enum CoordinatorJournal {
    /// What this version writes, and the newest that it reads.
    static let formatVersion: UInt32 = 1
    static let headerLength = 20
    static let frameOverhead = 12
    /// Checked before anything is allocated. The largest record: 60 values of 256 KiB.
    static let maximumRecordLength = 16 * 1024 * 1024 + 64 * 1024
    static let maximumSnapshotLength = 1 << 30

    enum FileKind: String {
        case journal = "GHCOORDJ"
        case snapshot = "GHCOORDS"
    }

    static func header(_ kind: FileKind, generation: UInt64) -> ByteBuffer {
        var buffer = ByteBuffer(string: kind.rawValue)
        buffer.writeInteger(formatVersion, endianness: .little)
        buffer.writeInteger(generation, endianness: .little)
        return buffer
    }

    /// Takes the header off `buffer` and checks it.
    ///
    /// - Returns: the generation.
    static func readHeader(
        _ kind: FileKind, from buffer: inout ByteBuffer, file: String
    ) throws(CoordinatorDiskFailure) -> UInt64 {
        guard buffer.readString(length: kind.rawValue.utf8.count) == kind.rawValue,
            let version: UInt32 = buffer.readInteger(endianness: .little),
            let generation: UInt64 = buffer.readInteger(endianness: .little)
        else { throw .corrupt(file: file, offset: 0, reason: "it does not begin with the header of a \(kind)") }
        guard version > 0 else { throw .corrupt(file: file, offset: 8, reason: "no format has the number 0") }
        guard version <= formatVersion else { throw .newerFormat(found: version, supported: formatVersion) }
        return generation
    }

    static func frame(_ payload: ByteBuffer) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(frameOverhead + payload.readableBytes)
        let length = UInt32(payload.readableBytes)
        buffer.writeInteger(length, endianness: .little)
        buffer.writeInteger(checksum(length, payload.readableBytesView))
        buffer.writeImmutableBuffer(payload)
        return buffer
    }

    private static func checksum(_ length: UInt32, _ payload: ByteBufferView) -> UInt64 {
        var hash = SHA256()
        hash.update(data: [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: length >> UInt32($0)) })
        payload.withUnsafeBytes { hash.update(bufferPointer: $0) }
        return hash.finalize().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The payload of the frame that begins at `offset`, if a whole and unharmed one does.
    static func payload(at offset: Int, of buffer: ByteBuffer, maximum: Int) -> ByteBuffer? {
        guard let length: UInt32 = buffer.getInteger(at: offset, endianness: .little), length <= maximum,
            let checksum: UInt64 = buffer.getInteger(at: offset + 4),
            let payload = buffer.getSlice(at: offset + frameOverhead, length: Int(length)),
            CoordinatorJournal.checksum(length, payload.readableBytesView) == checksum
        else { return nil }
        return payload
    }

    /// A journal's records, and where the last whole one ends.
    struct Scan {
        var records: [CoordinatorRecord]
        var end: Int
    }

    /// Reads the frames after the header.
    ///
    /// Each record is synced before the next is written, so a crash can harm the last one only. A harmed frame with no
    /// whole frame behind it is that torn tail, and is left out; one with a whole frame behind it is damage to what had
    /// been acknowledged, and refused.
    static func scan(_ buffer: ByteBuffer, file: String) throws(CoordinatorDiskFailure) -> Scan {
        var scan = Scan(records: [], end: buffer.readerIndex)
        while scan.end < buffer.writerIndex {
            guard let payload = payload(at: scan.end, of: buffer, maximum: maximumRecordLength) else {
                for later in scan.end + 1..<max(scan.end + 1, buffer.writerIndex - frameOverhead)
                where CoordinatorJournal.payload(at: later, of: buffer, maximum: maximumRecordLength) != nil {
                    // Zeros are a whole frame only by a chance of 2^-64: the checksum of an empty payload is not zero.
                    throw .corrupt(
                        file: file, offset: scan.end, reason: "a damaged record lies before a whole one at \(later)")
                }
                return scan
            }
            do throws(FieldError) { scan.records.append(try CoordinatorRecord(decoding: payload)) } catch {
                throw .corrupt(file: file, offset: scan.end, reason: "a whole record cannot be decoded: \(error)")
            }
            scan.end += frameOverhead + payload.readableBytes
        }
        return scan
    }
}

/// Why the embedded coordinator's folder cannot be used.
public enum CoordinatorDiskFailure: Error, Hashable, Sendable, CustomStringConvertible {
    case system(operation: String, path: String, errno: Int32)
    /// Another process has the folder open.
    case inUse(path: String)
    case newerFormat(found: UInt32, supported: UInt32)
    case corrupt(file: String, offset: Int, reason: String)

    public var description: String {
        switch self {
        case .system(let operation, let path, let code):
            "cannot \(operation) \(path): \(String(cString: strerror(code)))"
        case .inUse(let path): "another process uses the coordinator's folder \(path)"
        case .newerFormat(let found, let supported):
            "the coordinator's data has format \(found), and this version reads up to \(supported): use a newer version"
        case .corrupt(let file, let offset, let reason):
            "the coordinator's file \(file) is damaged at byte \(offset): \(reason). Restore the folder from a backup"
        }
    }
}

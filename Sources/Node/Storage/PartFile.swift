import Foundation
import NIOCore
import Replication

/// A part of a snapshot as a file, which is removed with the value unless it is handed on.
///
/// Used by one thread at a time.
final class PartFile {
    let path: String
    private(set) var size: Int
    private let descriptor: Int32
    private var isKept = false
    private var written: UInt32 = 0

    /// An existing file, for reading.
    init(reading path: String) throws(StorageFailure) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last(path) }
        var status = stat()
        size = 0
        guard fstat(descriptor, &status) == 0 else { throw .last(path) }
        size = Int(status.st_size)
    }

    /// A new file, for writing.
    init(creating path: String) throws(StorageFailure) {
        self.path = path
        size = 0
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .last(path) }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        if !isKept { unlink(path) }
    }

    /// Somebody else removes the file.
    func keep() { isKept = true }

    func read(from offset: Int, maximumBytes: Int) throws(StorageFailure) -> ByteBuffer {
        let count = max(0, min(maximumBytes, size - offset))
        var buffer = ByteBuffer()
        buffer.reserveCapacity(count)
        var failure: StorageFailure?
        while buffer.readableBytes < count, failure == nil {
            let start = offset + buffer.readableBytes
            let got = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count - buffer.readableBytes) { space in
                let got = pread(descriptor, space.baseAddress, min(space.count, offset + count - start), off_t(start))
                if got <= 0 { failure = got < 0 ? .last(path) : .file(path: path, reason: "shorter than it was") }
                return max(0, got)
            }
            if got < 0 { break }
        }
        if let failure { throw failure }
        return buffer
    }

    /// CRC-32C of all its bytes, as the disk gives them.
    func checksum() throws(StorageFailure) -> UInt32 {
        var checksum: UInt32 = 0
        var offset = 0
        while offset < size {
            let bytes = try read(from: offset, maximumBytes: 1 << 20)
            checksum = bytes.withUnsafeReadableBytes { Checksum.crc32c($0, following: checksum) }
            offset += bytes.readableBytes
        }
        return checksum
    }

    /// CRC-32C of what was appended.
    var appendedChecksum: UInt32 { written }

    func append(_ bytes: ByteBuffer) throws(StorageFailure) {
        var offset = 0
        while offset < bytes.readableBytes {
            let count = bytes.withUnsafeReadableBytes {
                write(descriptor, $0.baseAddress.map { $0 + offset }, $0.count - offset)
            }
            guard count > 0 else { throw .last(path) }
            offset += count
        }
        written = bytes.withUnsafeReadableBytes { Checksum.crc32c($0, following: written) }
        size += bytes.readableBytes
    }

    func sync() throws(StorageFailure) {
        guard fsync(descriptor) == 0 else { throw .last(path) }
    }
}

extension StorageFailure {
    /// A system call has just failed on this path.
    static func last(_ path: String) -> StorageFailure { .file(path: path, reason: String(cString: strerror(errno))) }
}

extension ByteBuffer {
    /// CRC-32C of the readable bytes.
    var checksum: UInt32 { withUnsafeReadableBytes { Checksum.crc32c($0) } }
}

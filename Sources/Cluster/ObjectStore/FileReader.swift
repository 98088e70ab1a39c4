import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// Reads a file in pieces, off the caller's thread. One reader at a time.
final class FileReader: Sendable {
    static let pieceSize = 256 << 10

    private let path: String
    private let descriptor: Int32
    private let isClosed = Mutex(false)

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    static func open(_ path: String) async throws(ObjectStoreFailure) -> FileReader {
        try await Disk.run { () throws(ObjectStoreFailure) in
            FileReader(path: path, descriptor: try Disk.open(path, O_RDONLY))
        }
    }

    /// The next piece from where the last one ended; `nil` at the end.
    func next(_ limit: Int = pieceSize) async throws(ObjectStoreFailure) -> ByteBuffer? {
        let descriptor = descriptor
        let path = path
        return try await Disk.run { () throws(ObjectStoreFailure) in
            var buffer = ByteBuffer()
            var count = 0
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: limit) { bytes in
                repeat { count = read(descriptor, bytes.baseAddress, limit) } while count < 0 && errno == EINTR
                return max(0, count)
            }
            guard count >= 0 else { throw Disk.failure(path) }
            return count == 0 ? nil : buffer
        }
    }

    func seek(to offset: Int) async throws(ObjectStoreFailure) {
        let descriptor = descriptor
        let path = path
        try await Disk.run { () throws(ObjectStoreFailure) in
            guard lseek(descriptor, off_t(offset), SEEK_SET) >= 0 else { throw Disk.failure(path) }
        }
    }

    func size() async throws(ObjectStoreFailure) -> Int {
        let descriptor = descriptor
        let path = path
        return try await Disk.run { () throws(ObjectStoreFailure) in
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw Disk.failure(path) }
            return Int(status.st_size)
        }
    }

    func close() async {
        let isFirst = isClosed.withLock { closed in
            defer { closed = true }
            return !closed
        }
        guard isFirst else { return }
        _ = Foundation.close(descriptor)
    }

    deinit {
        if !isClosed.withLock({ $0 }) { _ = Foundation.close(descriptor) }
    }
}

/// Calls of the file system, which block, on threads of their own.
enum Disk {
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ObjectStoreFailure) -> Value
    ) async throws(ObjectStoreFailure) -> Value {
        let result: Result<Value, ObjectStoreFailure>
        do {
            result = try await NIOThreadPool.singleton.runIfActive { () -> Result<Value, ObjectStoreFailure> in
                do throws(ObjectStoreFailure) { return .success(try body()) } catch { return .failure(error) }
            }
        } catch {
            throw .unavailable("the threads for files are gone: \(error)")
        }
        return try result.get()
    }

    static func failure(_ path: String) -> ObjectStoreFailure {
        .file(path: path, reason: String(cString: strerror(errno)))
    }

    static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o600) throws(ObjectStoreFailure) -> Int32 {
        let descriptor = Foundation.open(path, flags | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure(path) }
        return descriptor
    }

    /// Brings a file's content, or a folder's names, to disk.
    static func sync(_ path: String) throws(ObjectStoreFailure) {
        let descriptor = try open(path, O_RDONLY)
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw failure(path) }
    }
}

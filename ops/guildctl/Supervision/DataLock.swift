import Foundation

/// Held by the one supervisor of a data folder for as long as it lives; the kernel lets go of it when it dies.
final class DataLock: Sendable {
    private let descriptor: Int32

    /// The lock, or `nil` when another process holds it.
    init?(folder: DataFolder) throws {
        descriptor = open(folder.lockFile, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemFailure(call: "open \(folder.lockFile)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            guard code == EWOULDBLOCK else { throw SystemFailure(call: "lock \(folder.lockFile)", code: code) }
            return nil
        }
        let line = Data("\(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0,
            line.withUnsafeBytes({ pwrite(descriptor, $0.baseAddress, $0.count, 0) }) == line.count
        else {
            let failure = SystemFailure(call: "write \(folder.lockFile)")
            close(descriptor)
            throw failure
        }
    }

    deinit { close(descriptor) }

    /// The process that holds the lock of `folder`, or `nil` when none does.
    static func holder(of folder: DataFolder) -> pid_t? {
        let descriptor = open(folder.lockFile, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) != 0 else { return nil }
        guard let text = try? String(contentsOfFile: folder.lockFile, encoding: .utf8) else { return nil }
        return pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}

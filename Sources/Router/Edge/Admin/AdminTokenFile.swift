import Foundation
import Glibc

/// The file that holds the operators' token.
public enum AdminTokenFile {
    /// Shorter ones could be guessed.
    public static let minimumLength = 16
    static let maximumLength = 4096

    public enum Failure: Error, Equatable, CustomStringConvertible {
        case unreadable(String, Int32)
        /// Others than its owner may read or write it.
        case notPrivate(String, mode: UInt32)
        case badToken(String)

        public var description: String {
            switch self {
            case .unreadable(let path, let error):
                "the admin token's file \(path) cannot be read: \(String(cString: strerror(error)))"
            case .notPrivate(let path, let mode):
                "the admin token's file \(path) has mode \(String(mode, radix: 8)); make it 600"
            case .badToken(let path):
                "the admin token in \(path) must be one line of \(minimumLength) to \(maximumLength) printable characters"
            }
        }
    }

    /// - Throws: ``Failure``.
    public static func read(_ path: String) throws(Failure) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path, errno) }
        guard status.st_mode & 0o077 == 0 else { throw .notPrivate(path, mode: status.st_mode & 0o777) }
        var bytes = [UInt8](repeating: 0, count: maximumLength + 2)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw .unreadable(path, errno) }
        let token = String(decoding: bytes[..<count], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard (minimumLength...maximumLength).contains(token.utf8.count),
            token.utf8.allSatisfy({ (33...126).contains($0) })
        else { throw .badToken(path) }
        return token
    }

    /// Reads the token; makes a random one, with mode 600, where there is no file.
    ///
    /// - Throws: ``Failure``.
    public static func readOrCreate(_ path: String) throws(Failure) -> String {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        let descriptor = open(path, flags, 0o600)
        // Another process may make it at the same time: then its token counts.
        guard descriptor >= 0 else { return try read(path) }
        defer { close(descriptor) }
        var generator = SystemRandomNumberGenerator()
        let token = (0..<4).map { _ in
            let digits = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
        let bytes = Array("\(token)\n".utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
            let error = errno
            unlink(path)
            throw .unreadable(path, error)
        }
        return token
    }
}

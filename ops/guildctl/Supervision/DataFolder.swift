import Crypto
import Foundation

/// The folder of a cluster that runs on one machine: what lies where.
struct DataFolder: Sendable {
    /// The longest path of a Unix socket on Linux, in bytes.
    static let maximumSocketPath = 107

    /// Absolute, so that it means the same to every process.
    let path: String

    init(path: String) {
        self.path = URL(fileURLWithPath: path).standardizedFileURL.path
    }

    var clusterFile: String { "\(path)/cluster.json" }
    var adminTokenFile: String { "\(path)/admin-token" }
    var lockFile: String { "\(path)/supervisor.lock" }
    var supervisorLog: String { log(of: "supervisor") }

    func configuration(of process: String) -> String { "\(path)/config/\(process).yaml" }
    func log(of process: String) -> String { "\(path)/log/\(process).log" }
    func pidFile(of process: String) -> String { "\(path)/run/\(process).pid" }
    /// Where the process keeps what outlives it.
    func store(of process: String) -> String { "\(path)/\(process)" }

    /// The Unix socket of a process: in the folder, or, where that path would be too long for one, in the system's
    /// folder for temporary files, under a name that only this folder has.
    func socket(of process: String) throws -> String {
        let usual = "\(path)/run/\(process).sock"
        guard usual.utf8.count > DataFolder.maximumSocketPath else { return usual }
        let digest = SHA256.hash(data: Data(path.utf8)).prefix(8).map { String($0, radix: 16) }.joined()
        let short = FileManager.default.temporaryDirectory.appendingPathComponent("guildhall-\(getuid())-\(digest)")
            .path
        try FileManager.default.createDirectory(
            atPath: short, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return "\(short)/\(process).sock"
    }

    /// Makes the folder and its parts, readable by their owner alone.
    func create() throws {
        for part in ["", "/config", "/log", "/run"] {
            try FileManager.default.createDirectory(
                atPath: path + part, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
    }

    /// The cluster's file, or `nil` when there is none yet.
    func readClusterFile() throws -> ClusterFile? {
        guard let bytes = FileManager.default.contents(atPath: clusterFile) else { return nil }
        return try JSONDecoder().decode(ClusterFile.self, from: bytes)
    }

    func write(_ file: ClusterFile) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try write(try encoder.encode(file) + Data("\n".utf8), to: clusterFile)
    }

    /// Replaces the file at `path` as a whole, with mode 600: a reader sees the old bytes or the new ones.
    func write(_ bytes: Data, to path: String) throws {
        let draft = "\(path).\(getpid()).new"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemFailure(call: "open \(draft)") }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try handle.write(contentsOf: bytes)
            try handle.synchronize()
            guard rename(draft, path) == 0 else { throw SystemFailure(call: "rename \(draft)") }
        } catch {
            unlink(draft)
            throw error
        }
    }
}

/// A call to the system that failed, with the reason at that moment.
struct SystemFailure: Error, CustomStringConvertible {
    let call: String
    let code: Int32

    init(call: String, code: Int32 = errno) {
        self.call = call
        self.code = code
    }

    var description: String { "\(call): \(String(cString: strerror(code)))" }
}

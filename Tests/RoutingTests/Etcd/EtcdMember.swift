import EtcdCoordination
import Foundation
import Glibc
import Synchronization

/// One etcd process of a test, in a folder and at ports of its own.
///
/// A shell stands between: it ends etcd when this process, however it ends, no longer holds the pipe to it.
final class EtcdMember: Sendable {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private struct Running {
        /// Holds the pipe.
        var shell: Process
        var input: Pipe
        var pid: pid_t
    }

    private static let script = """
        exec 3<&0 </dev/null
        "$@" >>"$0/log" 2>&1 3<&- & etcd=$!
        echo $etcd >"$0/pid.new" && mv "$0/pid.new" "$0/pid"
        (read -r _ <&3; kill -KILL $etcd) 2>/dev/null & guard=$!
        exec 3<&-
        wait $etcd
        kill -KILL $guard
        """

    let name: String
    let endpoint: EtcdEndpoint
    let peer: String
    private let folder: String
    private let arguments: [String]
    private let running = Mutex<Running?>(nil)

    init(name: String, folder: String, ports: (client: Int, peer: Int), isEncrypted: Bool, arguments: [String]) {
        self.name = name
        self.folder = folder
        endpoint = EtcdEndpoint(isEncrypted: isEncrypted, host: "127.0.0.1", port: ports.client)
        peer = "http://127.0.0.1:\(ports.peer)"
        self.arguments =
            [
                "--name", name, "--data-dir", folder + "/data", "--listen-client-urls", endpoint.description,
                "--advertise-client-urls", endpoint.description, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--heartbeat-interval", "50", "--election-timeout", "500",
                "--log-level", "warn", "--logger", "zap",
            ] + arguments
    }

    deinit { kill() }

    var log: String { (try? String(contentsOfFile: folder + "/log", encoding: .utf8)) ?? "" }

    func start() async throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try? FileManager.default.removeItem(atPath: folder + "/pid")
        let shell = Process()
        let input = Pipe()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = ["-c", EtcdMember.script, folder, EtcdCluster.program] + arguments
        shell.standardInput = input
        shell.standardOutput = FileHandle.nullDevice
        shell.standardError = FileHandle.nullDevice
        try shell.run()
        var pid: pid_t?
        while pid == nil {
            guard shell.isRunning else { throw Failure(description: "etcd \(name) did not start: \(log)") }
            let text = try? String(contentsOfFile: folder + "/pid", encoding: .utf8)
            pid = text.flatMap { pid_t($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
            if pid == nil { try await Task.sleep(for: .milliseconds(5)) }
        }
        running.withLock { $0 = Running(shell: shell, input: input, pid: pid ?? 0) }
    }

    var isRunning: Bool { running.withLock { $0?.shell.isRunning ?? false } }

    /// As by a power cut, and waits for the end.
    func kill() {
        let ended = running.withLock { running in
            defer { running = nil }
            return running
        }
        guard let ended else { return }
        // The shell kills it, then ends itself.
        try? ended.input.fileHandleForWriting.close()
        ended.shell.waitUntilExit()
    }

    /// SIGSTOP: the machine's sockets stay, and nobody answers.
    func pause() { signal(SIGSTOP) }
    func resume() { signal(SIGCONT) }

    private func signal(_ number: Int32) {
        if let pid = running.withLock({ $0?.pid }) { Glibc.kill(pid, number) }
    }
}

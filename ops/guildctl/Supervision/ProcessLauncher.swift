import Foundation
import NIOPosix
import Synchronization

/// Starts the cluster's processes and tells of their end.
///
/// - A child is the head of a process group of its own, so that Ctrl-C at the terminal reaches the supervisor alone,
///   which then stops the children in their order.
/// - A child gets SIGTERM from the kernel when the supervisor dies, however it dies (`setpriv --pdeathsig`, of
///   Debian's essential util-linux, sets that and becomes the program). The kernel means the *thread* that started
///   the child, so all are started on one thread that lives as long as the process.
final class ProcessLauncher: Sendable {
    /// A log beyond this size is set aside (one generation is kept) when its process starts.
    static let maximumLogBytes: Int64 = 64 << 20

    struct Program: Sendable {
        var executable: String
        var arguments: [String]
        /// Standard output and error are appended to it.
        var log: String
    }

    /// How a process ended.
    enum Ending: Equatable, Sendable, CustomStringConvertible {
        case exited(Int32)
        case killed(signal: Int32)

        init(status: Int32) {
            let signal = status & 0x7f
            self = signal == 0 ? .exited((status >> 8) & 0xff) : .killed(signal: signal)
        }

        var description: String {
            switch self {
            case .exited(let code): "exited with \(code)"
            case .killed(let signal): "killed by signal \(signal) (\(String(cString: strsignal(signal))))"
            }
        }
    }

    private let starter = NIOThreadPool(numberOfThreads: 1)

    init() { starter.start() }

    /// Starts `program` with no standard input.
    ///
    /// - Throws: ``SystemFailure``.
    func launch(_ program: Program) async throws -> pid_t {
        try await starter.runIfActive { try ProcessLauncher.spawn(program) }
    }

    /// Waits for the end of a child.
    func ending(of pid: pid_t) async -> Ending {
        await withCheckedContinuation { continuation in
            // A thread of its own, since waitpid blocks for the child's whole life.
            Thread.detachNewThread {
                var status: Int32 = 0
                while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
                continuation.resume(returning: Ending(status: status))
            }
        }
    }

    private static func spawn(_ program: Program) throws -> pid_t {
        try setAsideLargeLog(program.log)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, program.log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        let words = ["setpriv", "--pdeathsig", "TERM", program.executable] + program.arguments
        return try spawnProcess("/usr/bin/setpriv", words, actions: &actions, flags: POSIX_SPAWN_SETPGROUP)
    }

    /// posix_spawn with the signals as a fresh process has them: what the supervisor ignores or blocks is its own.
    static func spawnProcess(
        _ path: String, _ words: [String], actions: inout posix_spawn_file_actions_t, flags: Int32
    ) throws -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var reset = sigset_t()
        sigemptyset(&reset)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT] { sigaddset(&reset, signal) }
        posix_spawnattr_setsigdefault(&attributes, &reset)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        // The settings of a child are its file's alone: GUILDHALL_DATA, say, would point all of them to one folder.
        var environment =
            ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("GUILDHALL_") }
            .map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for variable in environment { free(variable) } }
        let code = posix_spawn(&pid, path, &actions, &attributes, &arguments, &environment)
        guard code == 0 else { throw SystemFailure(call: "start \(words.joined(separator: " "))", code: code) }
        return pid
    }

    private static func setAsideLargeLog(_ path: String) throws {
        var details = stat()
        guard stat(path, &details) == 0, details.st_size > maximumLogBytes else { return }
        guard rename(path, path + ".1") == 0 else { throw SystemFailure(call: "rename \(path)") }
    }
}

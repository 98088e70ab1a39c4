import Foundation

/// A supervisor that runs on without the terminal, and the starting process's wait for its word.
///
/// The two are joined by a pipe: the supervisor writes what is to be printed once the cluster serves. An end of the
/// pipe without a word means that it has failed, and its log says why.
struct Detached {
    /// Where the supervisor finds its end of the pipe.
    static let descriptor: Int32 = 3

    /// POSIX_SPAWN_SETSID, which glibc's headers show under _GNU_SOURCE alone.
    private static let newSession: Int32 = 0x80

    let folder: DataFolder

    /// Starts this program again with `arguments`, in a session of its own, and waits.
    ///
    /// - Returns: the text to print; `nil` when the supervisor ended without one.
    func start(_ arguments: [String]) throws -> String? {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw SystemFailure(call: "pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let reader = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(
            &actions, STDOUT_FILENO, folder.supervisorLog, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        // The writer may have the very number that it is to have; above it, dup2 clears close-on-exec in any case.
        let writer = fcntl(ends[1], F_DUPFD_CLOEXEC, Detached.descriptor + 1)
        close(ends[1])
        guard writer >= 0 else { throw SystemFailure(call: "fcntl") }
        posix_spawn_file_actions_adddup2(&actions, writer, Detached.descriptor)
        do {
            // Ours is closed before reading, else the end of the supervisor's would not be seen.
            defer { close(writer) }
            _ = try ProcessLauncher.spawnProcess(
                "/proc/self/exe", ["guildctl"] + arguments, actions: &actions, flags: Detached.newSession)
        }
        let text = String(decoding: try reader.readToEnd() ?? Data(), as: UTF8.self)
        return text.isEmpty ? nil : text
    }

    /// The supervisor's side, first of all: its own children must not hold the pipe open.
    static func keepFromChildren() { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }

    /// The supervisor's side: hands the text over and lets the starter go.
    static func report(_ text: String) {
        let writer = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try? writer.write(contentsOf: Data(text.utf8))
    }
}

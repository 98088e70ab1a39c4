import ArgumentParser

/// What the process's exit code says; 64, a wrong command line, is ArgumentParser's own.
enum ExitStatus {
    static let failed = ExitCode(1)
    static let refused = ExitCode(2)
    static let unreachable = ExitCode(3)
    static let notReady = ExitCode(4)
}

import ArgumentParser

/// Why a request to the operators' API brought no answer.
enum AdminFailure: Error, CustomStringConvertible {
    /// The router answered with an error.
    case refused(status: Int, message: String)
    /// No router answered; `address` is the one asked.
    case unreachable(address: String, reason: String)
    /// The router answered something that is not the documented answer.
    case unexpectedAnswer(path: String, reason: String)
    /// Neither an endpoint nor a cluster's data folder was given.
    case noCluster(String)

    var description: String {
        switch self {
        case .refused(let status, let message): "the cluster refused (\(status)): \(message)"
        case .unreachable(let address, let reason): "no answer from \(address): \(reason)"
        case .unexpectedAnswer(let path, let reason): "the answer to \(path) is not understood: \(reason)"
        case .noCluster(let reason): reason
        }
    }

    var exitCode: ExitCode {
        switch self {
        case .refused: ExitStatus.refused
        case .unreachable: ExitStatus.unreachable
        case .unexpectedAnswer, .noCluster: ExitStatus.failed
        }
    }
}

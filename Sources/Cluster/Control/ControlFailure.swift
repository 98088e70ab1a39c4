/// Why an operator's command was not carried out.
public enum ControlFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was named does not exist.
    case unknown(String)
    /// The cluster is in a state in which the command would do harm or nothing.
    case conflict(String)
    /// The command makes no sense.
    case invalid(String)
    /// The coordinator did not answer; it may have been carried out.
    case unavailable(String)

    public var description: String {
        switch self {
        case .unknown(let reason), .conflict(let reason), .invalid(let reason): reason
        case .unavailable(let reason): "the coordinator does not answer: \(reason)"
        }
    }
}

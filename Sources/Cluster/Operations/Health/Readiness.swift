import Synchronization

/// Whether a process serves, and what it waits for if not.
///
/// A process begins with one reason, `starting`, which it clears when everything is set up.
public final class Readiness: Sendable {
    public static let starting = "starting"

    private let reasons: Mutex<[String: String]>

    public init() { reasons = Mutex([Readiness.starting: "the process starts"]) }

    /// Not ready for this reason, until it is cleared. One topic holds one reason.
    public func block(_ topic: String, _ reason: String) { reasons.withLock { $0[topic] = reason } }

    public func clear(_ topic: String) { reasons.withLock { _ = $0.removeValue(forKey: topic) } }

    public var isReady: Bool { reasons.withLock { $0.isEmpty } }

    /// Topic → reason; empty when ready.
    public var waiting: [String: String] { reasons.withLock { $0 } }
}

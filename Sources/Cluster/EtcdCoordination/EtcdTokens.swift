import Coordination
import NIOCore

/// The token that a user and password were last changed for: asked for once by all callers together, and anew when a
/// member does not take it any more (etcd's simple tokens end after some idle minutes).
actor EtcdTokens {
    private var current: String?
    private var renewal: Task<Result<String, EtcdTransport.Failure>, Never>?
    private let authenticate: @Sendable () async -> Result<String, EtcdTransport.Failure>

    init(authenticate: @escaping @Sendable () async -> Result<String, EtcdTransport.Failure>) {
        self.authenticate = authenticate
    }

    /// A token; never `refused`, which a member has turned down.
    func token(otherThan refused: String?) async throws(EtcdTransport.Failure) -> String {
        if let current, current != refused { return current }
        let running = renewal ?? Task { [authenticate] in await authenticate() }
        renewal = running
        let result = await running.value
        if renewal == running { renewal = nil }
        let token = try result.get()
        current = token
        return token
    }
}

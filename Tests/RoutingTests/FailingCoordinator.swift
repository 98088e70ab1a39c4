import Coordination
import Synchronization

/// Lets some commits pass and fails all later ones, or some of them; the first of these may have been made.
final class FailingCoordinator: Coordinator {
    private let inner: any Coordinator
    private let left: Atomic<Int>
    private let failing: Int
    private let isMade: Bool

    init(_ inner: any Coordinator, after commits: Int, failing: Int = .max, isMade: Bool) {
        self.inner = inner
        self.failing = failing
        left = Atomic(commits)
        self.isMade = isMade
    }

    func commit(_ transaction: CoordinatorTransaction) async throws(CoordinatorFailure) -> UInt64? {
        let before = left.subtract(1, ordering: .relaxed).oldValue
        if before > 0 || -before >= failing { return try await inner.commit(transaction) }
        if before == 0, isMade { _ = try await inner.commit(transaction) }
        throw .unavailable("cut short")
    }

    func get(_ key: String) async throws(CoordinatorFailure) -> CoordinatorEntry? { try await inner.get(key) }
    func list(prefix: String) async throws(CoordinatorFailure) -> CoordinatorListing {
        try await inner.list(prefix: prefix)
    }
    func grantLease(_ duration: Duration) async throws(CoordinatorFailure) -> CoordinatorLease {
        try await inner.grantLease(duration)
    }
    func keepAlive(_ lease: CoordinatorLease) async throws(CoordinatorFailure) { try await inner.keepAlive(lease) }
    func revoke(_ lease: CoordinatorLease) async throws(CoordinatorFailure) { try await inner.revoke(lease) }
    func watch(prefix: String, after revision: UInt64) -> AsyncThrowingStream<CoordinatorChange, any Error> {
        inner.watch(prefix: prefix, after: revision)
    }
}

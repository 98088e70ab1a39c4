import Coordination
import Synchronization

/// Counts the leases' renewals.
final class KeepAliveCounter: Coordinator {
    private let inner: any Coordinator
    private let renewals = Atomic<Int>(0)

    init(_ inner: any Coordinator) { self.inner = inner }

    /// Renewals that were carried out.
    var count: Int { renewals.load(ordering: .acquiring) }

    func keepAlive(_ lease: CoordinatorLease) async throws(CoordinatorFailure) {
        try await inner.keepAlive(lease)
        renewals.add(1, ordering: .releasing)
    }

    func get(_ key: String) async throws(CoordinatorFailure) -> CoordinatorEntry? { try await inner.get(key) }
    func list(prefix: String) async throws(CoordinatorFailure) -> CoordinatorListing {
        try await inner.list(prefix: prefix)
    }
    func commit(_ transaction: CoordinatorTransaction) async throws(CoordinatorFailure) -> UInt64? {
        try await inner.commit(transaction)
    }
    func grantLease(_ duration: Duration) async throws(CoordinatorFailure) -> CoordinatorLease {
        try await inner.grantLease(duration)
    }
    func revoke(_ lease: CoordinatorLease) async throws(CoordinatorFailure) { try await inner.revoke(lease) }
    func watch(prefix: String, after revision: UInt64) -> AsyncThrowingStream<CoordinatorChange, any Error> {
        inner.watch(prefix: prefix, after: revision)
    }
}

import Coordination
import Synchronization

/// Loses the answer to the first commit.
final class LossyCoordinator: Coordinator {
    private let inner: any Coordinator
    private let network: LoopbackNetwork
    private let isFirst = Atomic<Bool>(true)

    init(_ inner: any Coordinator, network: LoopbackNetwork) {
        self.inner = inner
        self.network = network
    }

    func commit(_ transaction: CoordinatorTransaction) async throws(CoordinatorFailure) -> UInt64? {
        if isFirst.exchange(false, ordering: .relaxed) { network.loseReplies(1) }
        return try await inner.commit(transaction)
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

import Coordination
import EtcdCoordination
import Foundation
import NIOCore

/// One coordinator of each kind for the suite, with what differs between them: how time passes, and how history ends.
final class SuiteCoordinator: Sendable {
    let coordinator: any Coordinator
    /// For leases of the suite.
    let lease: Duration
    private let local: CoordinatorFixture?
    private let etcd: EtcdCluster?

    init(_ kind: CoordinatorKind) async throws {
        if kind == .etcd {
            let etcd = try await EtcdCluster.shared()
            coordinator = try etcd.coordinator()
            local = nil
            self.etcd = etcd
            lease = .seconds(2)
        } else {
            let fixture = try CoordinatorFixture(kind)
            coordinator = fixture.coordinator
            local = fixture
            etcd = nil
            lease = .seconds(10)
        }
    }

    deinit {
        if let etcd = coordinator as? EtcdCoordinator { Task { await etcd.close() } }
    }

    /// Lets a part of a lease's time pass: on the test's clock, or in truth where leases are etcd's.
    func pass(_ part: Double) async throws {
        if let local { local.clock.advance(by: lease * part) } else { try await Task.sleep(for: lease * part) }
    }

    /// Lets a lease that is not kept alive end; etcd's ends by itself.
    func passLease() { local?.clock.advance(by: lease) }

    /// Makes so many changes, or asks etcd, that the first ones are forgotten.
    func forgetHistory() async throws {
        if let etcd {
            let last = try await coordinator.commit(
                CoordinatorTransaction(operations: [.put("k", ByteBuffer(), lease: nil)]))
            return try await etcd.compact(at: last ?? 0)
        }
        let large = (0..<60).map { CoordinatorTransaction.Operation.put("k/\($0)", ByteBuffer(), lease: nil) }
        for _ in 0...EmbeddedCoordinatorState.historyLimit / 60 {
            _ = try await coordinator.commit(CoordinatorTransaction(operations: large))
        }
    }
}

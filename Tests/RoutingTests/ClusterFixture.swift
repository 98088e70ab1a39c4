import Coordination
import Identity
import Logging
import NIOCore
import Placement
import Routing

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A cluster over a coordinator in memory of the process, with members that tests add.
struct ClusterFixture {
    let coordination: CoordinatorFixture
    let cluster: ClusterRecord
    let embedded: EmbeddedCoordinator

    init(_ kind: CoordinatorKind = .embedded, isTest: Bool = false) async throws {
        coordination = try CoordinatorFixture(kind)
        embedded = coordination.embedded
        cluster = try await ClusterRecord.loadOrCreate(
            in: coordination.embedded, isTest: isTest, now: Timestamp(milliseconds: 1))
    }

    func member(
        _ name: String, roles: [NodeRecord.Role] = [.guild], startedAt: Int64 = 1, lease: Duration = .seconds(10),
        clock: WallClock = WallClock(), coordinator: (any Coordinator)? = nil
    ) async throws -> ClusterMember {
        var settings = ClusterMember.Settings()
        settings.leaseDuration = lease
        let node = NodeRecord(
            id: NodeID(rawValue: name)!, roles: roles, host: "127.0.0.1", port: 1, pid: 1,
            startedAt: Timestamp(milliseconds: startedAt))
        return try await ClusterMember.join(
            as: node, cluster: cluster, coordinator: coordinator ?? coordination.coordinator, clock: clock,
            settings: settings, logger: quiet)
    }

    func write(_ row: ShardMapRow) async throws {
        _ = try await embedded.commit(
            CoordinatorTransaction(operations: [.put(CoordinatorKey.slot(row.slot), row.encoded(), lease: nil)]))
    }
}

func row(_ slot: UInt64, _ epoch: UInt64, _ primary: String) -> ShardMapRow {
    let node = NodeID(rawValue: primary)!
    return ShardMapRow(
        slot: Slot(truncating: slot), epoch: Epoch(rawValue: epoch), primary: node, inSync: [node])
}

/// Waits, without a limit of its own, until something holds; the suites have a time limit.
func until(_ condition: () async throws -> Bool) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(5)) }
}

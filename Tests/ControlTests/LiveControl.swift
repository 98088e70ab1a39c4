import Coordination
import Foundation
import Identity
import Logging
import NIOCore
import Placement
import Routing
import Synchronization
import Transport
import Wire

@testable import Control

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Answers status calls as guild nodes that do nothing do; nodes that are off do not answer.
final class QuietNodes: CallClient {
    private let inventory = Mutex<@Sendable (NodeID) -> NodeInventory?>({ _ in nil })

    /// What each says that its disk knows.
    var answers: @Sendable (NodeID) -> NodeInventory? {
        get { inventory.withLock { $0 } }
        set { inventory.withLock { $0 = newValue } }
    }

    func call(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, deadline: NIODeadline
    ) async throws(CallFailure) -> ByteBuffer {
        if method == .inventory {
            guard let answer = answers(address.node) else { throw .unknownMethod }
            return answer.encoded()
        }
        return NodeStatus(slots: [], logQueueBytes: 0).encoded()
    }

    func openStream(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, receiver: any StreamReceiver
    ) async throws(CallFailure) -> any TransportStream {
        throw .unknownMethod
    }
}

/// A cluster over an embedded coordinator: guild nodes that are registered and whose primaries settle targets, routers
/// that control it.
final class LiveControl: Sendable {
    let folder = NSTemporaryDirectory() + "control-\(UUID().uuidString)"
    let coordinator: EmbeddedCoordinator
    let cluster: ClusterRecord
    let router: ClusterMember
    let loads: LoadPoller
    let control: ClusterControl
    let quietNodes = QuietNodes()
    private let members = Mutex<[NodeID: ClusterMember]>([:])
    private let primaries = Mutex<Task<Void, Never>?>(nil)

    init(_ names: [NodeID], factor: Int, minimum: Int) async throws {
        coordinator = try EmbeddedCoordinator(directory: folder)
        cluster = try await ClusterRecord.loadOrCreate(
            in: coordinator, isTest: false, now: Timestamp(milliseconds: 1))
        let rows = ControlledCluster(names, factor: factor, minimum: minimum).situation.rows
        for start in stride(from: 0, to: rows.count, by: 60) {
            _ = try await coordinator.commit(
                CoordinatorTransaction(
                    operations: rows[start..<min(start + 60, rows.count)].map {
                        .put(CoordinatorKey.slot($0.slot), $0.encoded(), lease: nil)
                    }))
        }
        router = try await LiveControl.join(
            NodeRecord(id: node("router-1"), roles: [.router], host: "127.0.0.1", port: 1, version: "1"), cluster,
            coordinator)
        loads = LoadPoller(view: router, client: quietNodes)
        control = ClusterControl(
            coordinator: coordinator, view: router, loads: loads, clock: WallClock(), logger: quiet)
        for name in names { try await register(name) }
        let (coordinator, router) = (coordinator, router)
        primaries.withLock { $0 = Task { await LiveControl.settle(coordinator, router) } }
    }

    deinit {
        primaries.withLock { $0?.cancel() }
        try? FileManager.default.removeItem(atPath: folder)
    }

    private static func join(
        _ record: NodeRecord, _ cluster: ClusterRecord, _ coordinator: any Coordinator
    ) async throws -> ClusterMember {
        try await ClusterMember.join(
            as: record, cluster: cluster, coordinator: coordinator, clock: WallClock(), logger: quiet)
    }

    func register(_ id: NodeID, version: String = "1", isDiskFull: Bool = false) async throws {
        var record = record(id)
        record.isDiskFull = isDiskFull
        record.version = version
        let member = try await LiveControl.join(record, cluster, coordinator)
        members.withLock { $0[id] = member }
        try await until { self.router.node(id) != nil }
    }

    /// The coordinator forgets the shard map.
    func loseRows() async throws {
        for start in stride(from: 0, to: Int(Slot.count), by: 60) {
            let slots = Slot.all.filter { (start..<start + 60).contains(Int($0.rawValue)) }
            _ = try await coordinator.commit(
                CoordinatorTransaction(operations: slots.map { .delete(CoordinatorKey.slot($0)) }))
        }
    }

    /// As they stand in the coordinator, in slot order.
    func rows() async throws -> [ShardMapRow] {
        try await ShardMapRows.list(coordinator).rows.values.map(\.row).sorted { $0.slot < $1.slot }
    }

    func lose(_ id: NodeID) async throws {
        let member = members.withLock { $0.removeValue(forKey: id) }
        await member?.leave()
        try await until { self.router.node(id) == nil }
    }

    func member(_ id: NodeID) -> ClusterMember? { members.withLock { $0[id] } }

    /// A router's controller, until the task is cancelled.
    func lead(as name: String) -> Task<Void, Never> {
        var settings = ControlLoop.Settings()
        settings.busyPause = .milliseconds(5)
        settings.idlePause = .milliseconds(10)
        let loop = ControlLoop(
            node: node(name), coordinator: coordinator, view: router, loads: loads, clock: WallClock(),
            settings: settings, logger: quiet)
        return Task { await loop.run() }
    }

    /// Stands for the slots' primaries.
    private static func settle(_ coordinator: EmbeddedCoordinator, _ router: ClusterMember) async {
        let store = ControlStore(coordinator: coordinator)
        while !Task.isCancelled {
            let registered = Set(router.nodes.map(\.id))
            let wanted = router.clusterSettings.replication(
                guildNodes: router.nodes.count { $0.roles.contains(.guild) }
            ).minimum
            var changes: [(expected: ShardMapRow, new: ShardMapRow)] = []
            for row in router.rows {
                if let new = ControlledCluster.next(row, registered, minimum: wanted) { changes.append((row, new)) }
            }
            _ = try? await store.swap(changes)
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    func copies(_ id: NodeID) -> Int { router.rows.count { $0.holders.contains(id) } }
    func primaries(_ id: NodeID) -> Int { router.rows.count { $0.primary == id } }
}

/// Waits until something holds; the suites have a time limit.
func until(_ condition: () async throws -> Bool) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(5)) }
}

import Coordination
import Identity
import NIOCore
import Placement
import Routing
import Transport
import Wire

extension ClusterControl {
    /// How long a node may take to say what its disk knows.
    private static let inventoryTimeout = TimeAmount.seconds(5)

    /// Asks all registered guild nodes what their disks know, and says what a rebuild would do.
    public func planRebuild() async throws(ControlFailure) -> MapRebuild { try await comparison().plan }

    /// The plan, and the rows that it was made from.
    ///
    /// The map is read last. Were it read first, a row that changed meanwhile would make the disks look newer than the
    /// map. One that changes after it was read keeps its change: rows are written over the revisions read here only.
    private func comparison() async throws(ControlFailure) -> (plan: MapRebuild, held: [Slot: ShardMapRows.Held]) {
        let disks = await inventories()
        let held: [Slot: ShardMapRows.Held]
        do { held = try await ShardMapRows.list(store.coordinator).rows } catch { throw .unavailable("\(error)") }
        return (MapRebuild(current: held.mapValues(\.row), disks: disks), held)
    }

    private func inventories() async -> [NodeID: NodeInventory] {
        let client = loads.client
        return await withTaskGroup(of: (NodeID, NodeInventory?).self) { group in
            for node in guilds {
                group.addTask {
                    let address = NodeAddress(node: node.id, host: node.host, port: node.port)
                    let answer = try? await client.call(
                        .inventory, body: ByteBuffer(), to: address, lane: .bulk,
                        deadline: .now() + ClusterControl.inventoryTimeout)
                    return (node.id, answer.flatMap { try? NodeInventory(decoding: $0) })
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    /// Makes the shard map anew from the guild nodes' disks. Cut short, it is done again, and goes on.
    ///
    /// - Throws: ``ControlFailure/conflict(_:)`` while acknowledged writes may lie on nodes that have not answered, unless
    ///   the loss is accepted; or when no disk knows better than the coordinator.
    public func rebuild(acceptLoss: Bool) async throws(ControlFailure) -> MapRebuild {
        let (plan, held) = try await comparison()
        if let doubt = plan.doubts.first, !acceptLoss {
            throw .conflict(
                "acknowledged writes of \(plan.doubts.count) slots may be lost (slot \(doubt.slot) is the first: "
                    + "\(doubt.reason)): start what is missing, or accept the loss")
        }
        let rows = plan.rows + plan.doubts.map(\.row)
        guard !plan.answered.isEmpty else { throw .conflict("no guild node has answered") }
        guard rows.count + plan.kept == Int(Slot.count) else { throw .conflict("the plan is not complete") }
        let isMarked: Bool
        do { isMarked = try await store.coordinator.get(CoordinatorKey.rebuilding) != nil } catch {
            throw .unavailable("\(error)")
        }
        guard !rows.isEmpty || isMarked else {
            throw .conflict("no disk knows better than the shard map: there is nothing to rebuild")
        }
        // Before it is done: a loss that nobody can look up would be worse than a line too many.
        await audit(
            "coordinator rebuild: \(plan.rows.count) rows from the disks of \(MapRebuild.list(plan.answered.keys.sorted())), "
                + "\(plan.kept) as they were"
                + (plan.doubts.isEmpty
                    ? ""
                    : ", \(plan.doubts.count) with loss accepted (missing: "
                        + "\(MapRebuild.list(plan.absent.keys.sorted())))"))
        for start in stride(from: 0, to: rows.count, by: CoordinatorTransaction.maximumOperations) {
            let batch = rows[start..<min(start + CoordinatorTransaction.maximumOperations, rows.count)]
            let isDone = try await store.commit(
                batch.map { row in
                    let key = CoordinatorKey.slot(row.slot)
                    return held[row.slot].map { .revision(key, $0.revision) } ?? .absent(key)
                }, batch.map { .put(CoordinatorKey.slot($0.slot), $0.encoded(), lease: nil) })
            guard isDone else { throw .conflict("somebody else changes the shard map: look again, then go on") }
        }
        _ = try await store.commit([], [.delete(CoordinatorKey.rebuilding)])
        return plan
    }
}

import Coordination
import Identity
import NIOCore
import Placement
import Routing
import Testing
import Wire

@testable import Slots

@Suite(.timeLimit(.minutes(5))) struct InventoryTests {
    private func entry(_ node: ReplicaNode) async throws -> SlotInventory? {
        let inventory = try #require(try await node.role.slotNode?.inventory())
        #expect(inventory.slots.count <= 1)
        return inventory.slots.first
    }

    @Test func disksKnowTheNewestRowTheirEpochAndWhereTheirLogsEnd() async throws {
        let cluster = try await ReplicaCluster()
        let nodes = [try await cluster.start("a"), try await cluster.start("b"), try await cluster.start("c")]
        #expect(try await entry(nodes[2]) == nil)
        try await cluster.write { row in
            (row.primary, row.inSync, row.learners) = (nodes[0].id, [nodes[0].id], [nodes[1].id])
        }
        try await cluster.until { $0.inSync.count == 2 && $0.minimum == 2 }
        for _ in 0..<5 { _ = try await cluster.text("increment", ["name": "a"]) }
        let row = try await cluster.row()
        for node in nodes[..<2] {
            while try await entry(node)?.row != row { try await Task.sleep(for: .milliseconds(10)) }
            let found = try #require(try await entry(node))
            #expect(found.isSound && found.knownEpoch == row.epoch && found.lastIndex >= LogIndex(rawValue: 6))
            #expect(found.lastEpoch > .zero && found.lastEpoch <= row.epoch)
            #expect(try await node.role.slotNode?.heldSlots(isHasty: true) == 1)
        }
        #expect(try await entry(nodes[2]) == nil)

        // A node that leaves the slot keeps nothing of it.
        try await cluster.write { row in row.target = [nodes[0].id, nodes[2].id] }
        try await cluster.until { $0.target.isEmpty && Set($0.holders) == [nodes[0].id, nodes[2].id] }
        while try await entry(nodes[1]) != nil { try await Task.sleep(for: .milliseconds(10)) }
        for node in nodes { await node.close() }
        try await cluster.close()
    }

    @Test func aMapThatIsMadeAnewFromDisksServesWhatWasAcknowledged() async throws {
        let cluster = try await ReplicaCluster()
        var nodes = [try await cluster.start("a"), try await cluster.start("b"), try await cluster.start("c")]
        try await cluster.write { row in
            (row.primary, row.inSync) = (nodes[0].id, [nodes[0].id])
            row.learners = nodes[1...].map(\.id)
        }
        try await cluster.until { $0.inSync.count == 3 && $0.minimum == 2 }
        for _ in 0..<5 { _ = try await cluster.text("increment", ["name": "a"]) }
        let record = ClusterRecordCopy(folder: cluster.folder.path + "/a")
        #expect(try record.read() == cluster.cluster)
        for node in nodes { await node.close() }
        _ = try await cluster.coordinator.commit(
            CoordinatorTransaction(operations: [.delete(CoordinatorKey.slot(ReplicaCluster.slot))]))

        nodes = [try await cluster.start("a"), try await cluster.start("b"), try await cluster.start("c")]
        var found: [SlotInventory] = []
        for node in nodes { found.append(try #require(try await entry(node))) }
        #expect(cluster.router.node(nodes[0].id)?.heldSlots == 1)
        let newest = try #require(found.compactMap(\.row).max { $0.epoch < $1.epoch })
        var row = newest
        row.epoch = Epoch(rawValue: try #require(found.map(\.highestEpoch).max()).rawValue + 1000)
        _ = try await cluster.coordinator.commit(
            CoordinatorTransaction(operations: [.put(CoordinatorKey.slot(row.slot), row.encoded(), lease: nil)]))
        #expect(try await cluster.text("increment", ["name": "a"]).hasPrefix("6 "))
        for node in nodes { await node.close() }
        try await cluster.close()
    }
}

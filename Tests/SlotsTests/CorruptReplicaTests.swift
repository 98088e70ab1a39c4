import Foundation
import Identity
import NIOCore
import Placement
import Replication
import Storage
import Testing
import Wire

@testable import Slots

/// An entry on one node's disk is not what was written: that replica alone is taken out, and is made anew.
@Suite(.timeLimit(.minutes(5))) struct CorruptReplicaTests {
    private let slot = ReplicaCluster.slot

    private func three(_ cluster: ReplicaCluster) async throws -> [ReplicaNode] {
        let nodes = [try await cluster.start("a"), try await cluster.start("b"), try await cluster.start("c")]
        try await cluster.write { row in
            (row.primary, row.inSync) = (nodes[0].id, [nodes[0].id])
            row.learners = nodes[1...].map(\.id)
        }
        try await cluster.until { $0.inSync.count == 3 && $0.minimum == 2 }
        return nodes
    }

    private func increment(_ cluster: ReplicaCluster, _ count: Int) async throws {
        for _ in 0..<count { _ = try await cluster.text("increment", ["name": "a"]) }
    }

    /// Changes a byte of an entry in the log of a node that does not run.
    private func breakEntry(of name: String, at index: UInt64, _ cluster: ReplicaCluster) throws {
        let store = try Store(folder: cluster.folder.path + "/" + name, cluster: cluster.cluster.id)
        let writer = LogWriter(log: store.log)
        let entries = try store.log.rawEntries(slot, from: LogIndex(rawValue: index), maximumBytes: 1)
        var entry = try #require(entries.first).encoded
        let at = entry.writerIndex - 3
        entry.setInteger(try #require(entry.getInteger(at: at, as: UInt8.self)) ^ 1, at: at)
        writer.write([.append(.init(slot: slot, index: LogIndex(rawValue: index), entry: entry))], observer: nil)
        writer.stop()
        store.close()
    }

    @Test func aBackupsCorruptEntryTakesThatReplicaOutAndItIsMadeAnew() async throws {
        let cluster = try await ReplicaCluster()
        var nodes = try await three(cluster)
        try await increment(cluster, 20)
        await nodes[1].close()
        try breakEntry(of: "b", at: 10, cluster)
        try await cluster.until { $0.inSync.count == 2 }
        try await increment(cluster, 5)

        nodes[1] = try await cluster.start("b")
        // The others serve on; it gets the slot from them, not from its own disk.
        try await increment(cluster, 5)
        try await cluster.until { $0.inSync.count == 3 }
        try await increment(cluster, 5)
        let inventory = try #require(try await nodes[1].role.slotNode?.inventory()).slots.first
        #expect(inventory?.damage == nil && inventory?.isSound == true)
        let slots = try #require(nodes[1].role.slotNode)
        let repaired = try await slots.read { [slot] in
            try $0.log.rawEntries(slot, from: .zero, maximumBytes: .max)
        }
        #expect(repaired.last.map { $0.position.index > LogIndex(rawValue: 35) } ?? false, "each entry can be read")
        for node in nodes { await node.close() }
        try await cluster.close()
    }

    @Test func aCorruptEntryOfTheFormerPrimaryDoesNotSpread() async throws {
        let cluster = try await ReplicaCluster()
        var nodes = try await three(cluster)
        try await increment(cluster, 20)
        await nodes[0].close()
        try breakEntry(of: "a", at: 12, cluster)
        nodes[0] = try await cluster.start("a")
        try await increment(cluster, 5)
        try await cluster.until { $0.inSync.count == 3 }
        #expect(try await cluster.text("get", ["name": "a"]) == "25")
        #expect(try await cluster.text("count_messages") == "25")
        for node in nodes { await node.close() }
        try await cluster.close()
    }
}

import Identity
import NIOCore
import Placement
import Replication
import Routing
import Storage
import Testing
import Transport

@testable import Slots

@Suite(.serialized, .timeLimit(.minutes(3))) struct VerificationTests {
    private func three(_ cluster: ReplicaCluster) async throws -> [ReplicaNode] {
        var nodes: [ReplicaNode] = []
        for name in ["a", "b", "c"] { nodes.append(try await cluster.start(name)) }
        let ids = nodes.map(\.id)
        try await cluster.write {
            $0.primary = ids[0]
            $0.inSync = [ids[0]]
            $0.learners = Array(ids.dropFirst())
        }
        try await cluster.until { $0.inSync.count == 3 }
        return nodes
    }

    private func verify(_ cluster: ReplicaCluster) async -> SlotVerification.Outcome {
        var limits = SlotVerification.Limits()
        limits.rowsPerRange = 50
        return await cluster.verification(limits).run(ReplicaCluster.slot)
    }

    @Test func replicasOfASlotThatIsWrittenToAreEqualAtOneIndexAndAnInjectedDifferenceIsFound() async throws {
        let cluster = try await ReplicaCluster()
        let nodes = try await three(cluster)
        for _ in 0..<40 { _ = try await cluster.text("increment", ["name": "a"]) }
        guard case .compared(let quiet) = await verify(cluster) else {
            Issue.record("not compared")
            return
        }
        #expect(quiet.holders.count == 3)
        #expect(quiet.rows > 40)
        #expect(quiet.differences == [])

        _ = try await cluster.text("increment", ["name": "b"])
        let writing = Task {
            var count = 0
            while !Task.isCancelled {
                _ = try await cluster.text("increment", ["name": "b"])
                count += 1
            }
            return count
        }
        for _ in 0..<3 {
            guard case .compared(let busy) = await verify(cluster) else {
                Issue.record("not compared while it is written to")
                break
            }
            #expect(busy.differences == [])
            #expect(busy.index > quiet.index)
        }
        writing.cancel()
        _ = try? await writing.value

        let state = try #require(nodes[2].role.slotNode).environment.store.state
        let batch = state.makeBatch()
        try batch.add(
            [.put(family: 4, key: [1, 2, 3], value: ByteBuffer(string: "no entry wrote this"))],
            of: ReplicaCluster.slot)
        try state.write(batch)
        guard case .compared(let broken) = await verify(cluster) else {
            Issue.record("not compared")
            return
        }
        let difference = try #require(broken.differences.first)
        #expect(broken.differences.count == 1)
        #expect(difference.range.family == "index")
        #expect(difference.sums[nodes[0].id] == difference.sums[nodes[1].id])
        #expect(difference.sums[nodes[2].id]?.rows == (difference.sums[nodes[0].id]?.rows ?? 0) + 1)
        for node in nodes { await node.close() }
        try await cluster.close()
    }

    @Test func aReplicaRefusesIDsFarAheadOfItsClock() async throws {
        let cluster = try await ReplicaCluster()
        let nodes = try await three(cluster)
        _ = try await cluster.text("increment", ["name": "a", "event": "E"])
        // The primary's clock alone jumps ahead; with two replicas that refuse, nothing is committed by it.
        nodes[0].member.clock.offset = .seconds(60)
        let value = try await cluster.text("increment", ["name": "a", "event": "E"])
        #expect(value.hasPrefix("2 "))
        let id = try #require(value.split(separator: " ").last.flatMap { Snowflake(String($0)) })
        #expect(id.timestamp < WallClock().now() + .seconds(10))
        let row = try await cluster.row()
        #expect(row.primary != nodes[0].id, "the node with the wrong clock is still primary")
        for node in nodes { await node.close() }
        try await cluster.close()
    }
}

import Foundation
import Identity
import NIOCore
import Placement
import Storage
import Testing
import Wire

@testable import Slots

@Suite(.timeLimit(.minutes(5))) struct ReplicationTests {
    private func names(_ nodes: [NodeID]) -> Set<String> { Set(nodes.map(\.rawValue)) }

    /// Three nodes with one slot whose primary is the first.
    private func three(
        _ cluster: ReplicaCluster, limits: SlotLimits = SlotLimits()
    ) async throws -> [ReplicaNode] {
        let nodes = [
            try await cluster.start("a", limits: limits), try await cluster.start("b", limits: limits),
            try await cluster.start("c", limits: limits),
        ]
        try await cluster.write { row in
            row.primary = nodes[0].id
            row.inSync = [nodes[0].id]
            row.learners = [nodes[1].id, nodes[2].id]
        }
        try await cluster.until { $0.inSync.count == 3 && $0.minimum == 2 }
        return nodes
    }

    /// Increments until told to stop; each answer is a value and an id.
    private func increments(_ cluster: ReplicaCluster, _ count: Int) async throws -> [(value: Int, id: UInt64)] {
        var answers: [(value: Int, id: UInt64)] = []
        for _ in 0..<count {
            let parts = try await cluster.text("increment", ["name": "a", "event": "E"]).split(separator: " ")
            answers.append((try #require(Int(parts[0])), try #require(UInt64(parts[1]))))
        }
        return answers
    }

    @Test func writesGoOnWithoutThePrimaryAndEachIsDoneOnce() async throws {
        let cluster = try await ReplicaCluster()
        let nodes = try await three(cluster)
        let answers = try await withThrowingTaskGroup(of: [(value: Int, id: UInt64)].self) { tasks in
            for _ in 0..<8 {
                tasks.addTask {
                    var answers = try await increments(cluster, 30)
                    // Until the slot has another primary, and some more.
                    while cluster.router.row(ReplicaCluster.slot)?.primary == nodes[0].id {
                        answers += try await increments(cluster, 1)
                    }
                    return answers + (try await increments(cluster, 10))
                }
            }
            try await Task.sleep(for: .milliseconds(50))
            await nodes[0].cutOff()
            return try await tasks.reduce(into: []) { $0 += $1 }
        }
        // Every call was answered in the end, so each counts exactly once, and ids rise with the values.
        #expect(answers.map(\.value).sorted() == Array(1...answers.count))
        let inOrder = answers.sorted { $0.value < $1.value }.map(\.id)
        #expect(zip(inOrder, inOrder.dropFirst()).allSatisfy { $0 < $1 })
        #expect(try await cluster.text("count_messages") == "\(answers.count)")
        let row = try await cluster.row()
        #expect(row.primary != nodes[0].id && !row.inSync.contains(nodes[0].id) && row.inSync.count == 2)
        for node in nodes { await node.close() }
        try await cluster.close()
    }

    @Test func aPrimaryThatIsCutOffServesNothingOnceItsLeaseIsOver() async throws {
        let cluster = try await ReplicaCluster()
        let nodes = try await three(cluster)
        _ = try await increments(cluster, 3)
        await nodes[0].cutOff()
        try await cluster.until { $0.primary != nodes[0].id }
        let read = RestRequest(operation: "get", parameters: ["name": "a"])
        let call = SlotCall(
            slot: ReplicaCluster.slot, epoch: .zero, requestID: nil, kind: .rest, body: read.encoded())
        let reply = await nodes[0].perform(call)
        if case .done = reply { Issue.record("the old primary answered") }
        #expect(try await cluster.text("get", ["name": "a"]) == "3")
        for node in nodes { await node.close() }
        try await cluster.close()
    }

    @Test func aNodeThatComesBackCatchesUpByTheLog() async throws {
        let cluster = try await ReplicaCluster()
        var nodes = try await three(cluster)
        _ = try await increments(cluster, 20)
        await nodes[1].close()
        try await cluster.until { $0.inSync.count == 2 }
        // More than what is kept in memory for followers.
        var limits = SlotLimits.prompt
        limits.pendingCommands = 4096
        _ = try await withThrowingTaskGroup(of: Int.self) { tasks in
            for _ in 0..<16 { tasks.addTask { try await increments(cluster, 60).count } }
            return try await tasks.reduce(0, +)
        }
        nodes[1] = try await cluster.start("b", limits: limits)
        try await cluster.until { $0.inSync.count == 3 }
        let status = await nodes[1].status()
        #expect(status?.slots.first?.appliedIndex.rawValue ?? 0 > 900)
        for node in nodes { await node.close() }
        try await cluster.close()
    }

    @Test func aSlotMovesToOtherNodesByASnapshot() async throws {
        let cluster = try await ReplicaCluster()
        var limits = SlotLimits.prompt
        limits.logTrimming = .milliseconds(20)
        limits.logRetention = .milliseconds(20)
        limits.stateFlushing = .milliseconds(20)
        let a = try await cluster.start("a", limits: limits)
        try await cluster.write { row in
            row.primary = a.id
            row.inSync = [a.id]
        }
        _ = try await increments(cluster, 200)
        // The log's beginning goes, so that a learner cannot begin with it.
        while let first = try await a.firstLogIndex(ReplicaCluster.slot), first.rawValue <= 100 {
            try await Task.sleep(for: .milliseconds(20))
        }
        let b = try await cluster.start("b", limits: limits)
        let c = try await cluster.start("c", limits: limits)
        try await cluster.write { $0.target = [a.id, b.id, c.id] }
        try await cluster.until { $0.inSync.count == 3 && $0.target.isEmpty && $0.minimum == 2 }
        let last = try await increments(cluster, 5).last
        #expect(last?.value == 205)
        // The primacy goes elsewhere, and the first node leaves the slot.
        try await cluster.write { $0.target = [b.id, c.id] }
        try await cluster.until { $0.primary == b.id && $0.target.isEmpty }
        #expect(names(try await cluster.row().inSync) == ["b", "c"])
        let more = try await increments(cluster, 5)
        #expect(more.map(\.value) == Array(206...210))
        #expect(more[0].id > last?.id ?? .max)
        #expect(try await cluster.text("count_messages") == "210")
        // What is not needed is deleted.
        while try await a.firstLogIndex(ReplicaCluster.slot) != nil { try await Task.sleep(for: .milliseconds(10)) }
        for node in [a, b, c] { await node.close() }
        try await cluster.close()
    }
}

extension ReplicaNode {
    func perform(_ call: SlotCall) async -> SlotReply {
        let handler = SlotCallHandler(node: { [role] in role.slotNode })
        let answer = try? await handler.handle(
            .init(method: .slot, body: call.encoded(), peer: id, deadline: .now() + .seconds(5)))
        return answer.flatMap { try? SlotReply(decoding: $0) } ?? .unavailable("no answer")
    }

    func status() async -> NodeStatus? { await role.slotNode?.status() }

    func firstLogIndex(_ slot: Slot) async throws -> LogIndex? {
        try await role.slotNode?.read { try $0.log.first(slot)?.index }
    }
}

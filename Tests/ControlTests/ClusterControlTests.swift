import Coordination
import Identity
import NIOCore
import Placement
import Testing
import Wire

@testable import Control

@Suite("Operators' commands over a coordinator", .timeLimit(.minutes(5)))
struct ClusterControlTests {
    private let three = nodes("guild-1", "guild-2", "guild-3")

    @Test("a rebalance is carried on by the next router when the leading one ends, and one at a time is begun")
    func successor() async throws {
        let live = try await LiveControl(three, factor: 3, minimum: 2)
        try await live.register(node("guild-4"))
        let first = live.lead(as: "router-1")
        let plan = try await live.control.plan()
        _ = try await live.control.apply(plan.moves, bytes: plan.bytes, concurrency: 8, bandwidth: 0)
        await #expect(throws: ControlFailure.self) {
            try await live.control.apply(plan.moves, concurrency: 8, bandwidth: 0)
        }
        try await until { try await live.control.job().map { $0.settled > 20 } ?? false }
        first.cancel()
        await first.value
        #expect(try await live.coordinator.get(CoordinatorKey.controller) == nil)
        let second = live.lead(as: "router-2")
        try await until { try await live.control.job()?.isOver ?? false }
        let job = try #require(try await live.control.job())
        #expect(job.state == .done && job.settled == plan.moves.count)
        #expect(try await live.control.overview().controller == "router-2")
        try await until { live.router.rows.allSatisfy { $0.target.isEmpty } }
        #expect(abs(live.primaries(node("guild-4")) - 256) < 16 && abs(live.copies(node("guild-4")) - 768) < 48)
        second.cancel()
        await second.value
    }

    @Test("of two routers one leads")
    func leadership() async throws {
        let live = try await LiveControl(three, factor: 3, minimum: 2)
        let both = [live.lead(as: "router-1"), live.lead(as: "router-2")]
        try await until { try await live.coordinator.get(CoordinatorKey.controller) != nil }
        let leader = try await live.control.overview().controller
        for _ in 0..<20 {
            try await Task.sleep(for: .milliseconds(5))
            #expect(try await live.control.overview().controller == leader)
        }
        for task in both { task.cancel() }
        for task in both { await task.value }
    }

    @Test("a node is drained, ends, is removed, and is taken back only by undrain")
    func drainAndRemove() async throws {
        let live = try await LiveControl(three + [node("guild-4")], factor: 3, minimum: 2)
        let leading = live.lead(as: "router-1")
        let leaver = node("guild-4")
        await #expect(throws: ControlFailure.self, "it runs and holds slots") { try await live.control.remove(leaver) }
        try await live.control.drain(leaver)
        try await until { live.copies(leaver) == 0 }
        #expect(live.router.rows.allSatisfy { $0.inSync.count == 3 })
        try await live.lose(leaver)
        try await until { live.router.rows.allSatisfy { $0.target.isEmpty } }
        #expect(try await live.control.departures().draining == [leaver])
        try await live.control.remove(leaver)
        #expect(try await live.control.departures().removed == [leaver])
        try await live.control.undrain(leaver)
        #expect(try await live.control.departures() == NodeDepartures())
        await #expect(throws: ControlFailure.self) { try await live.control.undrain(leaver) }
        leading.cancel()
        await leading.value
    }

    @Test("a node that the others' minimum needs is not drained")
    func neededNode() async throws {
        let live = try await LiveControl(nodes("guild-1", "guild-2"), factor: 2, minimum: 2)
        let failure = await #expect(throws: ControlFailure.self) { try await live.control.drain(node("guild-2")) }
        #expect("\(try #require(failure))".contains("add a node first"))
    }

    @Test("a node that holds the only complete copy is not removed")
    func soleCopy() async throws {
        let live = try await LiveControl(nodes("guild-1", "guild-2"), factor: 1, minimum: 1)
        try await live.lose(node("guild-2"))
        let failure = await #expect(throws: ControlFailure.self) { try await live.control.remove(node("guild-2")) }
        #expect("\(try #require(failure))".contains("512 slots"))
    }

    @Test("a slot is moved to a node, with a copy or without, and pinned")
    func slots() async throws {
        let live = try await LiveControl(three, factor: 3, minimum: 2)
        try await live.register(node("guild-4"))
        let leading = live.lead(as: "router-1")
        let slot = Slot(truncating: 0)
        _ = try await live.control.move(slot, to: node("guild-2"))
        try await until { live.router.row(slot).map { $0.primary == node("guild-2") && $0.target.isEmpty } ?? false }
        #expect(Set(try #require(live.router.row(slot)).inSync) == Set(three))
        _ = try await live.control.move(slot, to: node("guild-4"))
        try await until { live.router.row(slot).map { $0.primary == node("guild-4") && $0.target.isEmpty } ?? false }
        #expect(Set(try #require(live.router.row(slot)).inSync) == Set(nodes("guild-1", "guild-3", "guild-4")))
        await #expect(throws: ControlFailure.self) { try await live.control.move(slot, to: node("guild-9")) }
        #expect(try await live.control.pin(slot, isPinned: true).isPinned)
        try await until { live.router.row(slot)?.isPinned == true }
        #expect(try await live.control.pin(slot, isPinned: false).isPinned == false)
        leading.cancel()
        await leading.value
    }

    @Test("recovering a slot is refused while a member runs, and leaves a line in the audit")
    func recovery() async throws {
        let live = try await LiveControl(three, factor: 2, minimum: 2)
        let slot = Slot(truncating: 0)  // guild-1 and guild-2
        await #expect(throws: ControlFailure.self) { try await live.control.recover(slot, from: node("guild-2")) }
        try await live.lose(node("guild-1"))
        #expect(try await live.control.recovery(slot, from: node("guild-2")).isComplete)
        await #expect(throws: ControlFailure.self, "it holds nothing") {
            try await live.control.recover(slot, from: node("guild-3"))
        }
        let before = try #require(live.router.row(slot))
        let row = try await live.control.recover(slot, from: node("guild-2"))
        #expect(row.primary == node("guild-2") && row.inSync == [node("guild-2")] && row.minimum == 1)
        #expect(row.epoch == before.epoch.next && row.eligible.isEmpty)
        let lines = try await live.control.auditLines()
        #expect(lines.contains { $0.contains("shard recover 0 from guild-2") })
    }

    @Test("settings that make no sense are refused; the overview says what the cluster bears")
    func settings() async throws {
        let live = try await LiveControl(nodes("guild-1", "guild-2"), factor: 2, minimum: 1)
        for (factor, minimum) in [(8, nil), (2, 3), (nil, -1)] as [(Int?, Int?)] {
            await #expect(throws: ControlFailure.self) {
                try await live.control.changeSettings(
                    replicationFactor: factor, minimum: minimum, repairDelay: nil)
            }
        }
        #expect(try await live.control.overview().survives.contains("the loss of either stops writes"))
        let leading = live.lead(as: "router-1")
        try await until { live.router.rows.allSatisfy { $0.minimum == 2 } }
        _ = try await live.control.changeSettings(replicationFactor: nil, minimum: 1, repairDelay: .seconds(60))
        try await until { live.router.rows.allSatisfy { $0.minimum == 1 } }
        #expect(try await live.control.settings().repairDelay == .seconds(60))
        leading.cancel()
        await leading.value
    }

    @Test("an upgrade is finalized only when all processes run one version")
    func finalize() async throws {
        let live = try await LiveControl(nodes("guild-1"), factor: 1, minimum: 1)
        try await live.register(node("guild-2"), version: "2")
        await #expect(throws: ControlFailure.self) { try await live.control.finalize() }
        try await live.lose(node("guild-2"))
        let (version, format) = try await live.control.finalize()
        #expect(version == "1" && format == 1)
    }

    @Test("a plan is refused while a node that holds slots is away")
    func absentNode() async throws {
        let live = try await LiveControl(three, factor: 3, minimum: 2)
        try await live.lose(node("guild-3"))
        let failure = await #expect(throws: ControlFailure.self) { try await live.control.plan() }
        #expect("\(try #require(failure))".contains("guild-3"))
    }
}

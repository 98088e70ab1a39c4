import Identity
import NIOCore
import Placement
import Routing
import Testing

@testable import Control

@Suite("The shard map made anew from the nodes' disks")
struct MapRebuildTests {
    private static let slot = Slot(truncating: 7)
    private let three = nodes("guild-1", "guild-2", "guild-3")

    private func row(
        _ epoch: UInt64, _ primary: NodeID, _ inSync: [NodeID], eligible: [NodeID] = [], learners: [NodeID] = []
    ) -> ShardMapRow {
        ShardMapRow(
            slot: Self.slot, epoch: Epoch(rawValue: epoch), primary: primary, inSync: inSync, eligible: eligible,
            learners: learners, minimum: 2)
    }

    private func disk(
        _ row: ShardMapRow?, known: UInt64?, last: (epoch: UInt64, index: UInt64), damage: String? = nil
    ) -> NodeInventory {
        NodeInventory(
            cluster: "c", store: "s",
            slots: [
                SlotInventory(
                    slot: Self.slot, knownEpoch: known.map { Epoch(rawValue: $0) }, row: row,
                    lastEpoch: Epoch(rawValue: last.epoch), lastIndex: LogIndex(rawValue: last.index), damage: damage)
            ])
    }

    /// All other slots have rows that no disk knows better.
    private func rebuild(_ disks: [NodeID: NodeInventory], current: ShardMapRow? = nil) -> MapRebuild {
        var rows = Dictionary(uniqueKeysWithValues: ControlledCluster(three).situation.rows.map { ($0.slot, $0) })
        rows[Self.slot] = current
        return MapRebuild(current: rows, disks: disks)
    }

    @Test("a row is the newest that any disk knows, above all known epochs, led by the member with the longest log")
    func longestLog() throws {
        let newest = row(9, three[0], three)
        let plan = rebuild([
            three[0]: disk(newest, known: 9, last: (8, 40)),
            three[1]: disk(row(7, three[0], three), known: 9, last: (8, 41)),
            three[2]: disk(newest, known: 12, last: (6, 90)),
        ])
        #expect(plan.doubts.isEmpty && plan.kept == 1023)
        let made = try #require(plan.rows.first)
        #expect(plan.rows.count == 1 && made.primary == three[1] && made.inSync == three && made.minimum == 2)
        #expect(made.epoch > Epoch(rawValue: 12) && made.home == three[0])
    }

    @Test("of equal logs the primary's leads on, and the row is otherwise as it was")
    func quietSlot() throws {
        var newest = row(9, three[1], three)
        newest.isPinned = true
        newest.target = [three[2], three[0], three[1]]
        let plan = rebuild(Dictionary(uniqueKeysWithValues: three.map { ($0, disk(newest, known: 9, last: (8, 40))) }))
        var expected = newest
        expected.epoch = try #require(plan.rows.first).epoch
        expected.target = []
        #expect(plan.rows == [expected])
    }

    @Test("one that holds the slot by the newest known row and does not answer may hold what the others lack")
    func absentMember() throws {
        let newest = row(9, three[0], three)
        let plan = rebuild([
            three[0]: disk(newest, known: 9, last: (8, 40)), three[1]: disk(newest, known: 9, last: (8, 44)),
        ])
        let doubt = try #require(plan.doubts.first)
        #expect(plan.rows.isEmpty && doubt.absent == [three[2]] && plan.absent == [three[2]: 1])
        #expect(doubt.row.primary == three[1] && doubt.row.inSync == [three[1]] && doubt.row.learners == [three[0]])
        #expect(doubt.row.minimum == 1 && doubt.row.epoch > Epoch(rawValue: 9))
    }

    @Test("eligible nodes and learners may have gone on alone: they must answer too")
    func absentOthers() throws {
        for newest in [
            row(9, three[0], [three[0]], eligible: [three[1]]), row(9, three[0], [three[0]], learners: [three[1]]),
        ] {
            let plan = rebuild([three[0]: disk(newest, known: 9, last: (8, 40))])
            #expect(plan.doubts.first?.absent == [three[1]])
        }
    }

    @Test("a member whose disk was wiped, or is marked, counts as one that is gone; a learner's is allowed to be empty")
    func damagedMember() throws {
        let newest = row(9, three[0], [three[0], three[1]], learners: [three[2]])
        let good = disk(newest, known: 9, last: (8, 40))
        let empty = NodeInventory(cluster: "c", store: "s", slots: [])
        for lost in [
            empty, disk(newest, known: nil, last: (0, 0)), disk(newest, known: 9, last: (8, 50), damage: "bad"),
        ] {
            let plan = rebuild([three[0]: good, three[1]: lost, three[2]: empty])
            let doubt = try #require(plan.doubts.first)
            #expect(doubt.damaged == [three[1]] && doubt.absent == [] && doubt.row.primary == three[0])
        }
        #expect(rebuild([three[0]: good, three[1]: good, three[2]: empty]).doubts.isEmpty)
    }

    @Test("a row of the coordinator that is as new as the disks stays; an older one, of a backup, is replaced")
    func oldBackup() throws {
        let disks = Dictionary(
            uniqueKeysWithValues: three.map { ($0, disk(row(9, three[0], three), known: 9, last: (8, 40))) })
        let same = rebuild(disks, current: row(9, three[0], three))
        #expect(same.kept == 1024 && same.rows.isEmpty && same.doubts.isEmpty)
        let older = rebuild(disks, current: row(3, three[2], [three[2]]))
        #expect(older.rows.first?.primary == three[0] && older.rows.first?.inSync == three)
    }

    @Test("what no disk holds, and what an old version wrote without saying for whom, is in doubt")
    func unknown() throws {
        let empty = NodeInventory(cluster: "c", store: "s", slots: [])
        let nobody = try #require(rebuild([three[1]: empty]).doubts.first)
        #expect(nobody.row.epoch == Epoch(rawValue: 1) && nobody.row.inSync == [three[1]] && !nobody.isHeld)
        let old = try #require(rebuild([three[1]: disk(nil, known: nil, last: (2, 5)), three[0]: empty]).doubts.first)
        #expect(old.row.primary == three[1] && old.isHeld && old.reason.contains("who held it"))
    }

    @Test("over a coordinator: refused while a node is away, done when it is back or the loss accepted, and audited")
    func commands() async throws {
        let live = try await LiveControl(three, factor: 3, minimum: 2)
        let before = try await live.rows()
        live.quietNodes.answers = { node in
            NodeInventory(
                cluster: "c", store: "s",
                slots: before.filter { $0.holders.contains(node) }.map {
                    SlotInventory(
                        slot: $0.slot, knownEpoch: $0.epoch, row: $0, lastEpoch: $0.epoch,
                        lastIndex: LogIndex(rawValue: 3))
                })
        }
        await #expect(throws: ControlFailure.self, "nothing is lost") {
            try await live.control.rebuild(acceptLoss: true)
        }
        try await live.loseRows()
        try await live.lose(three[2])
        let failure = await #expect(throws: ControlFailure.self) { try await live.control.rebuild(acceptLoss: false) }
        #expect("\(try #require(failure))".contains("guild-3 must answer"))
        #expect(try await live.control.planRebuild().absent == [three[2]: 1024])
        try await live.register(three[2])
        let done = try await live.control.rebuild(acceptLoss: false)
        #expect(done.rows.count == 1024 && done.answered == [three[0]: 1024, three[1]: 1024, three[2]: 1024])
        let rebuilt = try await live.rows()
        #expect(rebuilt.count == 1024)
        for (old, new) in zip(before, rebuilt) {
            #expect(new.primary == old.primary && new.inSync == old.inSync && new.epoch > old.epoch)
        }
        #expect(try await live.control.auditLines().contains { $0.contains("coordinator rebuild: 1024 rows") })

        try await live.loseRows()
        try await live.lose(three[2])
        #expect(try await live.control.rebuild(acceptLoss: true).doubts.count == 1024)
        let saved = try await live.rows()
        #expect(saved.count == 1024 && saved.allSatisfy { $0.inSync == [$0.primary] && $0.primary != three[2] })
        #expect(
            try await live.control.auditLines().contains { $0.contains("1024 with loss accepted (missing: guild-3)") })
    }
}

import Coordination
import Identity
import NIOCore
import Placement
import Routing
import Testing

@Suite(.timeLimit(.minutes(5))) struct ShardMapTests {
    private func initialiser(_ fixture: ClusterFixture, _ nodes: Int) -> ShardMapInitialiser {
        ShardMapInitialiser(
            coordinator: fixture.coordination.coordinator, settings: .init(guildNodes: nodes), logger: quiet)
    }

    @Test(arguments: CoordinatorKind.local)
    func allRowsAreWrittenOnceEnoughNodesAreThere(kind: CoordinatorKind) async throws {
        let fixture = try await ClusterFixture(kind)
        var members = [try await fixture.member("g1"), try await fixture.member("x", roles: [.gateway])]
        await #expect(throws: ClusterFailure.deadlineExceeded("the shard map: 1 of 3 guild nodes have come")) {
            try await initialiser(fixture, 3).run(deadline: .now() + .milliseconds(30))
        }
        let run = Task { try await initialiser(fixture, 3).run() }
        members.append(try await fixture.member("g2"))
        members.append(try await fixture.member("g3"))
        try await run.value
        let rows = try await ShardMapRows.list(fixture.coordination.coordinator).rows.values.map(\.row)
        #expect(rows.count == 1024)
        #expect(rows.allSatisfy { $0.epoch == Epoch(rawValue: 1) && $0.inSync == [$0.primary] })
        #expect(rows.allSatisfy { Set($0.holders).count == 3 && $0.learners.count == 2 && $0.minimum == 1 })
        let counts = Dictionary(grouping: rows, by: \.primary).mapValues(\.count)
        #expect(Set(counts.keys.map(\.rawValue)) == ["g1", "g2", "g3"])
        #expect(counts.values.allSatisfy { $0 > 300 && $0 < 360 })
        try await until { members.allSatisfy { $0.rows.count == 1024 } }
        // A second start changes nothing.
        let revision = try await fixture.embedded.list(prefix: CoordinatorKey.slots).revision
        try await initialiser(fixture, 3).run()
        #expect(try await fixture.embedded.list(prefix: CoordinatorKey.slots).revision == revision)
    }

    @Test func noFreshMapIsMadeOverWhatDisksHoldOrWhileOneIsRebuilt() async throws {
        let fixture = try await ClusterFixture()
        let member = try await fixture.member("g1")
        try await member.update { $0.heldSlots = 3 }
        for slot in 0..<2 as Range<UInt64> { try await fixture.write(row(slot, 4, "g1")) }
        let failure = await #expect(throws: ClusterFailure.self) {
            try await initialiser(fixture, 1).run(deadline: .now() + .milliseconds(30))
        }
        #expect("\(try #require(failure))".contains("the disk of g1 holds 1 slots that the shard map lacks"))
        try await member.update { $0.heldSlots = 2 }
        let mark = CoordinatorTransaction(operations: [
            .put(CoordinatorKey.rebuilding, ByteBuffer(string: "c"), lease: nil)
        ])
        _ = try await fixture.embedded.commit(mark)
        await #expect(throws: ClusterFailure.self) {
            try await initialiser(fixture, 1).run(deadline: .now() + .milliseconds(30))
        }
        #expect(try await ShardMapRows.list(fixture.embedded).rows.count == 2)
        _ = try await fixture.embedded.commit(CoordinatorTransaction(operations: [.delete(CoordinatorKey.rebuilding)]))
        try await initialiser(fixture, 1).run()
        #expect(try await ShardMapRows.list(fixture.embedded).rows.count == 1024)
    }

    @Test func anInterruptedStartIsCompletedAroundWhatIsWritten() async throws {
        let fixture = try await ClusterFixture()
        let members = [try await fixture.member("g1"), try await fixture.member("g2")]
        for slot in 0..<90 as Range<UInt64> { try await fixture.write(row(slot, 4, "g2")) }
        try await initialiser(fixture, 2).run()
        let rows = try await ShardMapRows.list(fixture.embedded).rows
        #expect((0..<90).allSatisfy { rows[Slot(truncating: $0)]?.row == row($0, 4, "g2") })
        #expect(rows.count == 1024)
        #expect(rows.values.count { $0.row.primary.rawValue == "g1" } > 480)
        withExtendedLifetime(members) {}
    }
}

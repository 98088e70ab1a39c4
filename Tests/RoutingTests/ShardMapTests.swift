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
        let counts = Dictionary(grouping: rows, by: \.primary).mapValues(\.count)
        #expect(Set(counts.keys.map(\.rawValue)) == ["g1", "g2", "g3"])
        #expect(counts.values.allSatisfy { $0 > 300 && $0 < 360 })
        try await until { members.allSatisfy { $0.rows.count == 1024 } }
        // A second start changes nothing.
        let revision = try await fixture.embedded.list(prefix: CoordinatorKey.slots).revision
        try await initialiser(fixture, 3).run()
        #expect(try await fixture.embedded.list(prefix: CoordinatorKey.slots).revision == revision)
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

    @Test func aRestartedNodeWinsNewEpochsForItsRowsAlone() async throws {
        let fixture = try await ClusterFixture()
        let members = [try await fixture.member("g1"), try await fixture.member("g2")]
        try await initialiser(fixture, 2).run()
        let mine = Set(
            try await ShardMapRows.list(fixture.embedded).rows.values.filter { $0.row.primary == members[0].id }
                .map(\.row.slot))
        let slot = try #require(mine.min())
        let won = try await members[0].claimEpochs(above: [slot: Epoch(rawValue: 41)], deadline: .distantFuture)
        #expect(Set(won.map(\.slot)) == mine)
        #expect(won.allSatisfy { $0.epoch.rawValue == ($0.slot == slot ? 42 : 2) })
        #expect(won.allSatisfy { members[0].row($0.slot) == $0 }, "its own view knows them at once")
        for held in try await ShardMapRows.list(fixture.embedded).rows.values {
            #expect(held.row.epoch.rawValue == (held.row.slot == slot ? 42 : mine.contains(held.row.slot) ? 2 : 1))
        }
        let again = try await members[0].claimEpochs(slots: [slot], deadline: .distantFuture)
        #expect(again.map(\.epoch.rawValue) == [43])
    }

    @Test func racingClaimsNeverShareAnEpoch() async throws {
        let fixture = try await ClusterFixture()
        let node = NodeID(rawValue: "g1")!
        for slot in 0..<100 as Range<UInt64> { try await fixture.write(row(slot, 1, "g1")) }
        let claims = try await withThrowingTaskGroup(of: [ShardMapRow].self) { group in
            for _ in 0..<4 {
                group.addTask {
                    try await EpochClaim(node: node, coordinator: fixture.embedded, logger: quiet)
                        .run(deadline: .distantFuture)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for slot in 0..<100 {
            #expect(Set(claims.map { $0[slot].epoch }).count == 4)
        }
    }

    @Test func aRowThatWasGivenAwayIsNotClaimed() async throws {
        let fixture = try await ClusterFixture()
        try await fixture.write(row(1, 1, "g1"))
        try await fixture.write(row(2, 1, "g2"))
        let won = try await EpochClaim(node: NodeID(rawValue: "g1")!, coordinator: fixture.embedded, logger: quiet)
            .run(deadline: .distantFuture)
        #expect(won == [row(1, 2, "g1")])
    }

    @Test func aCommitWithoutAnAnswerIsWonAgainHigher() async throws {
        let fixture = try await ClusterFixture(.remote)
        try await fixture.write(row(1, 1, "g1"))
        let claim = EpochClaim(
            node: NodeID(rawValue: "g1")!,
            coordinator: LossyCoordinator(fixture.coordination.coordinator, network: fixture.coordination.network),
            logger: quiet)
        #expect(try await claim.run(deadline: .distantFuture) == [row(1, 3, "g1")])
        #expect(try await ShardMapRows.list(fixture.embedded).rows[Slot(truncating: 1)]?.row == row(1, 3, "g1"))
    }
}

import Coordination
import Identity
import NIOCore
import Placement
import Routing
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct RowSwapperTests {
    /// What the swapper has reported.
    final class Reports: Sendable {
        let all = Mutex<[RowSwapper.Settled]>([])

        func add(_ settled: [RowSwapper.Settled]) { all.withLock { $0 += settled } }
        var count: Int { all.withLock { $0.count } }
        func row(_ slot: UInt64) -> ShardMapRow? {
            all.withLock { $0.last { $0.row.slot == Slot(truncating: slot) }?.row }
        }
    }

    private func swapper(
        _ fixture: ClusterFixture, _ member: ClusterMember, _ reports: Reports, coordinator: (any Coordinator)? = nil
    ) -> RowSwapper {
        RowSwapper(
            coordinator: coordinator ?? fixture.coordination.coordinator, view: member, logger: quiet,
            settled: { reports.add($0) })
    }

    private func change(_ slot: UInt64, _ epoch: UInt64, from: String, to: String) -> RowSwapper.Change {
        RowSwapper.Change(expected: row(slot, epoch, from), new: row(slot, epoch + 1, to))
    }

    @Test(arguments: CoordinatorKind.local)
    func manyRowsAreSwappedTogether(kind: CoordinatorKind) async throws {
        let fixture = try await ClusterFixture(kind)
        for slot in 0..<340 as Range<UInt64> { try await fixture.write(row(slot, 1, "g1")) }
        let member = try await fixture.member("g2")
        let reports = Reports()
        let before = try await fixture.embedded.list(prefix: CoordinatorKey.slots).revision
        await swapper(fixture, member, reports).swap((0..<340).map { change($0, 1, from: "g1", to: "g2") })
        try await until { reports.count == 340 }
        #expect((0..<340).allSatisfy { reports.row($0) == row($0, 2, "g2") })
        #expect(try await fixture.embedded.list(prefix: CoordinatorKey.slots).revision - before <= 6)
    }

    @Test func aRowThatHasChangedFailsAloneAndIsReportedAsItStands() async throws {
        let fixture = try await ClusterFixture()
        for slot in 0..<50 as Range<UInt64> { try await fixture.write(row(slot, 1, "g1")) }
        let member = try await fixture.member("g2")
        try await fixture.write(row(7, 2, "g3"))
        let reports = Reports()
        await swapper(fixture, member, reports).swap((0..<50).map { change($0, 1, from: "g1", to: "g2") })
        try await until { reports.count == 50 }
        for slot in 0..<50 as Range<UInt64> {
            #expect(reports.row(slot) == (slot == 7 ? row(7, 2, "g3") : row(slot, 2, "g2")))
        }
    }

    @Test func aSwapWhoseAnswerIsLostIsDoneOnceAndReportedAsDone() async throws {
        let fixture = try await ClusterFixture(.remote)
        try await fixture.write(row(1, 1, "g1"))
        let member = try await fixture.member("g2")
        let reports = Reports()
        let lossy = LossyCoordinator(fixture.coordination.coordinator, network: fixture.coordination.network)
        await swapper(fixture, member, reports, coordinator: lossy).swap([change(1, 1, from: "g1", to: "g2")])
        try await until { reports.count == 1 }
        #expect(reports.row(1) == row(1, 2, "g2"))
        #expect(try await ShardMapRows.list(fixture.embedded).rows[Slot(truncating: 1)]?.row == row(1, 2, "g2"))
    }

    @Test func racingSwapsHaveOneWinner() async throws {
        let fixture = try await ClusterFixture()
        for slot in 0..<100 as Range<UInt64> { try await fixture.write(row(slot, 1, "g1")) }
        let member = try await fixture.member("x", roles: [.gateway])
        let names = ["a", "b", "c"]
        let all = names.map { _ in Reports() }
        for (name, reports) in zip(names, all) {
            await swapper(fixture, member, reports).swap((0..<100).map { change($0, 1, from: "g1", to: name) })
        }
        try await until { all.allSatisfy { $0.count == 100 } }
        for slot in 0..<100 as Range<UInt64> { #expect(Set(all.map { $0.row(slot) }).count == 1) }
    }

    @Test func rowsAreReadWhenAsked() async throws {
        let fixture = try await ClusterFixture()
        try await fixture.write(row(1, 5, "g1"))
        let member = try await fixture.member("g2")
        let reports = Reports()
        await swapper(fixture, member, reports).read([Slot(truncating: 1), Slot(truncating: 2)])
        try await until { reports.count == 1 }
        #expect(reports.row(1) == row(1, 5, "g1"))
    }
}

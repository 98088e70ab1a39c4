import Coordination
import Identity
import NIOCore
import Routing
import Testing

/// Between two embedded coordinators: what a migration asks of its destination is any coordinator's.
@Suite(.timeLimit(.minutes(2))) struct CoordinatorMigrationTests {
    private let source: CoordinatorFixture
    private let destination: CoordinatorFixture

    init() throws {
        source = try CoordinatorFixture(.embedded)
        destination = try CoordinatorFixture(.embedded)
    }

    private func fill(_ fixture: CoordinatorFixture) async throws -> ClusterRecord {
        let record = try await ClusterRecord.loadOrCreate(
            in: fixture.embedded, isTest: nil, now: Timestamp(milliseconds: 1))
        for number in 0..<150 {
            _ = try await fixture.embedded.put(CoordinatorKey.slot(Slot(truncating: UInt64(number))), "row \(number)")
        }
        _ = try await fixture.embedded.put("settings", "s")
        let lease = try await fixture.embedded.grantLease(.seconds(10))
        _ = try await fixture.embedded.put("nodes/a", "gone when the node is", lease: lease)
        return record
    }

    private func migrate(to other: (any Coordinator)? = nil) async throws -> CoordinatorMigration.Report {
        try await CoordinatorMigration(
            from: source.embedded, to: other ?? destination.embedded, place: "the other one"
        ).run()
    }

    private func start(_ fixture: CoordinatorFixture) async throws -> ClusterRecord {
        try await ClusterRecord.loadOrCreate(in: fixture.embedded, isTest: nil, now: Timestamp(milliseconds: 2))
    }

    @Test func allButWhatHangsOnLeasesIsCopiedAndOnlyTheDestinationStartsTheClusterThen() async throws {
        let record = try await fill(source)
        let report = try await migrate()
        #expect(report.cluster == record.id && report.keys == 152 && !report.wasDone)
        #expect(try await start(destination) == record)
        let listing = try await destination.embedded.list(prefix: "")
        #expect(listing.entries.count == 152)
        #expect(try await destination.embedded.value("slots/0149") == "row 149")
        #expect(try await destination.embedded.value("settings") == "s")
        await #expect(throws: ClusterFailure.moved(to: "the other one")) { _ = try await start(source) }
        await #expect(throws: ClusterFailure.moved(to: "the other one")) {
            _ = try await ClusterRecord.load(from: source.embedded, deadline: .now())
        }
        #expect(try await migrate().wasDone)
    }

    /// The destination's changes: the announcement, three batches, the record.
    @Test(arguments: 0..<5, [false, true])
    func cutShortAtAnyChangeTheClusterStartsNowhereTwiceAndARepetitionEndsIt(changes: Int, isMade: Bool) async throws {
        let record = try await fill(source)
        let failing = FailingCoordinator(destination.embedded, after: changes, isMade: isMade)
        await #expect(throws: ClusterFailure.coordinator(.unavailable("cut short"))) {
            _ = try await migrate(to: failing)
        }
        let isHere = (try? await ClusterRecord.find(in: source.embedded)) != nil
        let isThere = try await ClusterRecord.find(in: destination.embedded) != nil
        #expect(isHere == (changes == 0))
        #expect(isThere == (changes == 4 && isMade))
        // Where a cluster is arriving, a router makes no new one.
        if changes > 0 || isMade, !isThere {
            await #expect(throws: ClusterFailure.self) { _ = try await start(destination) }
        }
        #expect(try await migrate().wasDone == isThere)
        #expect(try await start(destination) == record)
        #expect(try await destination.embedded.get(CoordinatorKey.arriving) == nil)
    }

    @Test func aDestinationWithAnotherClusterIsRefusedAndTheSourceStaysAsItWas() async throws {
        let record = try await fill(source)
        _ = try await fill(destination)
        await #expect(throws: ClusterFailure.self) { _ = try await migrate() }
        #expect(try await start(source) == record)
    }

    @Test func aDestinationWithOtherKeysIsRefused() async throws {
        let record = try await fill(source)
        _ = try await destination.embedded.put("somebody", "else")
        await #expect(throws: ClusterFailure.self) { _ = try await migrate() }
        #expect(try await start(source) == record)
    }

    @Test func aClusterThatWasMovedDoesNotMoveElsewhere() async throws {
        _ = try await fill(source)
        _ = try await migrate()
        let third = try CoordinatorFixture(.embedded)
        await #expect(throws: ClusterFailure.self) { _ = try await migrate(to: third.embedded) }
        #expect(try await third.embedded.list(prefix: "").entries.isEmpty)
    }
}

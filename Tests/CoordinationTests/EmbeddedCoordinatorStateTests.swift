import NIOCore
import Testing

@testable import Coordination

/// The state machine by itself: time is a number.
@Suite struct EmbeddedCoordinatorStateTests {
    private func put(_ key: String, _ value: String = "x", lease: UInt64? = nil) -> CoordinatorTransaction {
        CoordinatorTransaction(operations: [
            .put(
                key, ByteBuffer(string: value),
                lease: lease.map { CoordinatorLease(id: $0, duration: .seconds(10)) })
        ])
    }

    private func commit(
        _ transaction: CoordinatorTransaction, to state: inout EmbeddedCoordinatorState, at now: Duration = .zero
    ) throws {
        guard case .record(let record) = try state.prepare(transaction, now: now) else {
            Issue.record("nothing to commit")
            return
        }
        try state.apply(record, now: now)
    }

    @Test func preparingChangesNothing() throws {
        var state = EmbeddedCoordinatorState()
        try commit(put("a"), to: &state)
        _ = try state.prepare(put("b"), now: .zero)
        _ = try state.prepareGrant(.seconds(1))
        #expect(state.revision == 1)
        #expect(state.list(prefix: "").entries.map(\.key) == ["a"])
        #expect(state.nextExpiry == nil)
    }

    @Test func deletingWhatIsNotThereChangesNoRevision() throws {
        let state = EmbeddedCoordinatorState()
        #expect(try state.prepare(CoordinatorTransaction(operations: [.delete("a")]), now: .zero) == .unchanged)
    }

    @Test func aLeaseEndsExactlyAtItsTime() throws {
        var state = EmbeddedCoordinatorState()
        try state.apply(try state.prepareGrant(.seconds(10)), now: .seconds(5))
        try commit(put("a", lease: 1), to: &state, at: .seconds(6))
        #expect(state.nextExpiry == .seconds(15))
        #expect(state.prepareExpiry(now: .milliseconds(14_999)) == nil)
        try state.keepAlive(1, now: .milliseconds(14_999))
        #expect(state.prepareExpiry(now: .seconds(24)) == nil)
        let end = try #require(state.prepareExpiry(now: .milliseconds(24_999)))
        // Its time has passed, though the record is not written yet: it cannot be kept alive any more.
        #expect(throws: CoordinatorFailure.leaseExpired) { try state.keepAlive(1, now: .milliseconds(24_999)) }
        try state.apply(end, now: .seconds(25))
        #expect(state.get("a") == nil)
        #expect(state.revision == 2)
        #expect(try state.changes(prefix: "", after: 1) == [CoordinatorChange(key: "a", value: nil, revision: 2)])
    }

    @Test func aLeaseWithoutKeysEndsWithoutARevision() throws {
        var state = EmbeddedCoordinatorState()
        try state.apply(try state.prepareGrant(.seconds(1)), now: .zero)
        try state.apply(try #require(state.prepareExpiry(now: .seconds(1))), now: .seconds(1))
        #expect(state.revision == 0)
        #expect(state.leases.isEmpty)
        // Its id is never granted again.
        #expect(try state.prepareGrant(.seconds(1)) == .grant(lease: 2, .seconds(1)))
    }

    @Test func leasesOutsideTheLimitsAreRefused() {
        let state = EmbeddedCoordinatorState()
        for duration in [Duration.zero, .milliseconds(-1), .milliseconds(99), .seconds(86_401)] {
            #expect(throws: CoordinatorFailure.self) { try state.prepareGrant(duration) }
        }
    }

    @Test func extendingGivesEveryLeaseItsFullTime() throws {
        var state = EmbeddedCoordinatorState()
        try state.apply(try state.prepareGrant(.seconds(10)), now: .zero)
        state.extendLeases(now: .seconds(60))
        #expect(state.nextExpiry == .seconds(70))
        state.extendLeases(now: .seconds(50))
        #expect(state.nextExpiry == .seconds(70), "never shortened")
    }

    @Test func aSnapshotHoldsEverythingButTheTimes() throws {
        var state = EmbeddedCoordinatorState()
        try state.apply(try state.prepareGrant(.seconds(10)), now: .zero)
        try state.apply(try state.prepareGrant(.seconds(20)), now: .zero)
        try commit(put("a", "1", lease: 1), to: &state)
        try commit(put("b", "2"), to: &state)
        let snapshot = try CoordinatorSnapshot(decoding: state.snapshot.encoded())
        var copy = EmbeddedCoordinatorState(snapshot, now: .seconds(100))
        #expect(copy.list(prefix: "") == state.list(prefix: ""))
        #expect(copy.nextExpiry == .seconds(110))
        #expect(try copy.prepareGrant(.seconds(1)) == .grant(lease: 3, .seconds(1)))
        try copy.apply(try #require(copy.prepareRevoke(1)), now: .seconds(100))
        #expect(copy.list(prefix: "").entries.map(\.key) == ["b"])
        // A watch that had seen everything goes on; one that had not must list.
        #expect(try copy.changes(prefix: "", after: 2).map(\.key) == ["a"])
        #expect(throws: CoordinatorFailure.compacted) { try copy.changes(prefix: "", after: 1) }
    }

    @Test func theHistoryIsBoundedAndSaysSo() throws {
        var state = EmbeddedCoordinatorState()
        for number in 0..<EmbeddedCoordinatorState.historyLimit * 2 { try commit(put("k", "\(number)"), to: &state) }
        #expect(state.compacted > 0)
        #expect(throws: CoordinatorFailure.compacted) { try state.changes(prefix: "", after: state.compacted - 1) }
        let kept = try state.changes(prefix: "", after: state.compacted)
        #expect(kept.count <= EmbeddedCoordinatorState.historyLimit)
        #expect(kept.count >= EmbeddedCoordinatorState.historyLimit / 2)
        #expect(kept.map(\.revision) == Array(state.compacted + 1...state.revision))
    }

    @Test func aHistoryOfLargeValuesIsBoundedInBytes() throws {
        var state = EmbeddedCoordinatorState()
        let large = String(repeating: "x", count: CoordinatorLimits.maximumValueLength)
        for _ in 0..<300 { try commit(put("k", large), to: &state) }
        let kept = try state.changes(prefix: "", after: state.compacted)
        #expect(
            kept.count * CoordinatorLimits.maximumValueLength <= EmbeddedCoordinatorState.historyByteLimit)
        #expect(!kept.isEmpty)
    }

    @Test func recordsOutOfOrderAreRefused() throws {
        var state = EmbeddedCoordinatorState()
        for record in [
            CoordinatorRecord.commit(revision: 2, []), .commit(revision: 0, []), .grant(lease: 2, .seconds(1)),
            .end(lease: 1, revision: 0),
        ] {
            #expect(throws: CoordinatorFailure.self) { try state.apply(record, now: .zero) }
        }
    }
}

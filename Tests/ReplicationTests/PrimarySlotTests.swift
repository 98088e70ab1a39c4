import Identity
import Replication
import Testing

@Suite struct PrimarySlotTests {
    static let a = NodeID(rawValue: "a")!
    static let b = NodeID(rawValue: "b")!
    static let c = NodeID(rawValue: "c")!

    static func primary(_ inSync: Set<NodeID> = [a], minimum: Int = 1, last: UInt64 = 10, applied: UInt64 = 8)
        -> PrimarySlot
    {
        PrimarySlot(
            slot: Slot(truncating: 5), node: a, epoch: Epoch(rawValue: 4), inSync: inSync, minimum: minimum,
            lastIndex: LogIndex(rawValue: last), appliedIndex: LogIndex(rawValue: applied))
    }

    static func index(_ value: UInt64) -> LogIndex { LogIndex(rawValue: value) }

    @Test func servesNothingUntilItsOwnEmptyEntryIsCommittedAndApplied() throws {
        var primary = Self.primary()
        #expect(throws: PrimarySlot.Refusal.opening) { _ = try primary.propose() }
        #expect(primary.open() == PrimarySlot.Position(epoch: Epoch(rawValue: 4), index: Self.index(11)))
        #expect(throws: PrimarySlot.Refusal.opening) { _ = try primary.propose() }
        #expect(primary.acknowledged(by: Self.a, through: Self.index(11)) == Self.index(11))
        #expect(!primary.isServing)
        let servesEarly = primary.applied(through: Self.index(10))
        #expect(!servesEarly)
        #expect(throws: PrimarySlot.Refusal.opening) { _ = try primary.propose() }
        let serves = primary.applied(through: Self.index(11))
        #expect(serves)
        #expect(try primary.propose().index == Self.index(12))
    }

    @Test func commitsWhatEveryMemberHasOnDisk() throws {
        var primary = Self.primary([Self.a, Self.b, Self.c], minimum: 2)
        _ = primary.open()
        #expect(primary.acknowledged(by: Self.a, through: Self.index(11)) == nil)
        #expect(primary.acknowledged(by: Self.b, through: Self.index(11)) == nil)
        #expect(primary.acknowledged(by: Self.c, through: Self.index(9)) == Self.index(9))
        #expect(primary.acknowledged(by: Self.c, through: Self.index(11)) == Self.index(11))
    }

    @Test func aLearnersProgressDoesNotCount() {
        var primary = Self.primary([Self.a, Self.b])
        _ = primary.open()
        _ = primary.acknowledged(by: Self.a, through: Self.index(11))
        #expect(primary.acknowledged(by: Self.c, through: Self.index(11)) == nil)
        #expect(primary.commitIndex == Self.index(8))
    }

    @Test func lateAndRepeatedReportsChangeNothing() {
        var primary = Self.primary()
        _ = primary.open()
        _ = primary.acknowledged(by: Self.a, through: Self.index(11))
        #expect(primary.acknowledged(by: Self.a, through: Self.index(11)) == nil)
        #expect(primary.acknowledged(by: Self.a, through: Self.index(3)) == nil)
        #expect(primary.commitIndex == Self.index(11))
    }

    @Test func aProposedSetCountsUntilItsOutcomeIsKnown() {
        var primary = Self.primary([Self.a, Self.b])
        _ = primary.open()
        _ = primary.acknowledged(by: Self.a, through: Self.index(11))
        // The removal of b may not have taken place: b still counts.
        primary.proposeInSync([Self.a])
        #expect(primary.commitIndex == Self.index(8))
        #expect(primary.confirmInSync([Self.a], epoch: Epoch(rawValue: 5)) == Self.index(11))
        // The admission of c may have taken place: c counts already.
        _ = primary.applied(through: Self.index(11))
        primary.proposeInSync([Self.a, Self.c])
        let position = try? primary.propose()
        #expect(position == PrimarySlot.Position(epoch: Epoch(rawValue: 5), index: Self.index(12)))
        #expect(primary.acknowledged(by: Self.a, through: Self.index(12)) == nil)
        #expect(primary.abandonInSync() == Self.index(12))
    }

    @Test func belowTheMinimumWritesAreRefusedAndNothingIsCommitted() throws {
        var primary = Self.primary([Self.a, Self.b], minimum: 2)
        _ = primary.open()
        _ = primary.acknowledged(by: Self.a, through: Self.index(11))
        _ = primary.acknowledged(by: Self.b, through: Self.index(11))
        _ = primary.applied(through: Self.index(11))
        _ = try primary.propose()
        primary.proposeInSync([Self.a])
        #expect(primary.confirmInSync([Self.a], epoch: Epoch(rawValue: 5)) == nil)
        #expect(primary.acknowledged(by: Self.a, through: Self.index(12)) == nil)
        #expect(throws: PrimarySlot.Refusal.belowMinimum) { _ = try primary.propose() }
        // The second member is back.
        primary.proposeInSync([Self.a, Self.b])
        _ = primary.confirmInSync([Self.a, Self.b], epoch: Epoch(rawValue: 6))
        #expect(primary.acknowledged(by: Self.b, through: Self.index(12)) == Self.index(12))
    }

    @Test func aRetiredPrimaryCommitsAndProposesNothing() throws {
        var primary = Self.primary()
        _ = primary.open()
        primary.retire()
        #expect(primary.acknowledged(by: Self.a, through: Self.index(11)) == nil)
        #expect(throws: PrimarySlot.Refusal.retired) { _ = try primary.propose() }
    }
}

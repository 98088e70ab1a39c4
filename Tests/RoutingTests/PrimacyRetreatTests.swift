import Identity
import Placement
import Testing

@testable import Routing

@Suite struct PrimacyRetreatTests {
    private let a = NodeID(rawValue: "a")!
    private let b = NodeID(rawValue: "b")!
    private let c = NodeID(rawValue: "c")!

    private func row(_ inSync: [NodeID], slot: UInt64 = 4, target: [NodeID] = []) -> ShardMapRow {
        ShardMapRow(
            slot: Slot(truncating: slot), epoch: Epoch(rawValue: 7), primary: inSync[0], inSync: inSync, minimum: 2,
            target: target)
    }

    @Test func anotherInSyncReplicaIsAskedAndTheNodeStaysOne() throws {
        let wanted = try #require(PrimacyRetreat.retreat(row([a, b, c]), of: a) { _ in true })
        #expect(wanted.target == [b, a, c])
        #expect(wanted.epoch == Epoch(rawValue: 8))
        #expect(wanted.primary == a)
        #expect(wanted.inSync == [a, b, c])
        #expect(PrimacyRetreat.retreat(row([a, b, c], slot: 5), of: a) { _ in true }?.target == [c, a, b])
    }

    @Test func whoeverIsNotFitIsNotAsked() {
        #expect(PrimacyRetreat.retreat(row([a, b, c]), of: a) { $0 == c }?.target == [c, a, b])
        #expect(PrimacyRetreat.retreat(row([a, b, c]), of: a) { _ in false } == nil)
    }

    @Test func whatTheNodeAloneHoldsOrIsNotPrimaryOfStays() {
        #expect(PrimacyRetreat.retreat(row([a]), of: a) { _ in true } == nil)
        #expect(PrimacyRetreat.retreat(row([a, b]), of: b) { _ in true } == nil)
    }

    @Test func aMoveUnderWayGoesOnWithAnotherFirst() {
        #expect(PrimacyRetreat.retreat(row([a, b], target: [a, c]), of: a) { _ in true }?.target == [b, a, c])
        #expect(PrimacyRetreat.retreat(row([a, b], target: [b, a]), of: a) { _ in true } == nil)
    }
}

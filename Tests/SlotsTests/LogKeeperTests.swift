import Foundation
import Identity
import NIOCore
import Replication
import Storage
import Testing

@testable import Slots

@Suite(.timeLimit(.minutes(10))) struct LogKeeperTests {
    static let slot = Slot(truncating: 7)

    static func limits() -> SlotLimits {
        var limits = SlotLimits()
        limits.logRetention = .seconds(60)
        limits.stateFlushing = .seconds(100)
        return limits
    }

    static func index(_ value: UInt64) -> LogIndex { LogIndex(rawValue: value) }

    @Test func entriesGoOnlyAfterTheRetentionTimeAndOnce() {
        var keeper = LogKeeper(limits: Self.limits())
        let start = ContinuousClock.now
        #expect(keeper.next(applied: [Self.slot: Self.index(10)], now: start).trims.isEmpty)
        #expect(keeper.next(applied: [Self.slot: Self.index(20)], now: start + .seconds(30)).trims.isEmpty)
        // What was applied 60 s ago, not what was applied since.
        let due = keeper.next(applied: [Self.slot: Self.index(30)], now: start + .seconds(61))
        #expect(due.trims == [Self.slot: Self.index(10)])
        // Not on disk yet, so it was not trimmed: it is asked for again, until it is done.
        #expect(
            keeper.next(applied: [Self.slot: Self.index(30)], now: start + .seconds(62)).trims
                == [Self.slot: Self.index(10)])
        keeper.done([Self.slot: Self.index(10)])
        #expect(keeper.next(applied: [Self.slot: Self.index(30)], now: start + .seconds(63)).trims.isEmpty)
        let later = keeper.next(applied: [Self.slot: Self.index(30)], now: start + .seconds(500))
        #expect(later.trims == [Self.slot: Self.index(30)])
    }

    @Test func theStateIsFlushedWhenThereIsSomethingNew() {
        var keeper = LogKeeper(limits: Self.limits())
        let start = ContinuousClock.now
        #expect(!keeper.next(applied: [Self.slot: Self.index(1)], now: start).flushes)
        #expect(keeper.next(applied: [Self.slot: Self.index(1)], now: start + .seconds(101)).flushes)
        #expect(!keeper.next(applied: [Self.slot: Self.index(1)], now: start + .seconds(300)).flushes)
    }

    @Test func theLogIsNeverTrimmedAboveWhatIsAppliedOnDisk() throws {
        let folder = try TemporaryFolder()
        let store = try Store(folder: folder.path, cluster: TestNode.cluster)
        let writer = LogWriter(log: store.log)
        func apply(_ value: UInt64) throws {
            let batch = store.state.makeBatch()
            batch.setApplied(
                .init(epoch: Epoch(rawValue: 1), index: Self.index(value), idMark: Snowflake(rawValue: 0)),
                of: Self.slot)
            try store.state.write(batch)
        }
        try apply(5)
        let work = LogKeeper.Work(
            trims: [Self.slot: Self.index(5)], flushes: false, trimLimits: [:], keptForFollowers: 0)
        #expect(try work.run(store, writer).isEmpty)
        try store.state.flush()
        try apply(9)
        let more = LogKeeper.Work(
            trims: [Self.slot: Self.index(9)], flushes: false, trimLimits: [:], keptForFollowers: 0)
        #expect(try more.run(store, writer) == [Self.slot: Self.index(5)])
        writer.stop()
    }

    @Test func aNodeWhoseLogIsTrimmedStillOpens() async throws {
        let folder = try TemporaryFolder()
        var limits = SlotLimits()
        limits.logTrimming = .milliseconds(10)
        limits.logRetention = .milliseconds(20)
        limits.stateFlushing = .milliseconds(30)
        var epoch: UInt64 = 1
        var first = LogIndex.zero
        // Until some of the log is gone indeed.
        while first <= Self.index(1) {
            let before = try await TestNode(folder.path, start: epoch, limits: limits)
            if epoch == 1 {
                for _ in 0..<200 { _ = try await before.text("increment", ["name": "a", "event": "E"]) }
            }
            try await Task.sleep(for: .milliseconds(100))
            await before.close()
            let store = try Store(folder: folder.path, cluster: TestNode.cluster)
            first = Self.index(.max)
            try store.log.entries(TestNode.slot, from: .zero) {
                first = $0.index
                return false
            }
            store.close()
            epoch += 1
        }
        let after = try await TestNode(folder.path, start: epoch)
        #expect(try await after.counter("a") == 200)
        await after.close()
    }
}

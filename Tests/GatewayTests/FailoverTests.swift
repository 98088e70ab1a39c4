import Identity
import NIOCore
import Synchronization
import Testing
import Wire

@testable import Gateway

/// A slot's primary changes under a follower.
@Suite struct FailoverTests {
    /// Where the slot is, as the map says.
    private final class Map: Sendable {
        private let node: Mutex<NodeID?>
        init(_ node: NodeID) { self.node = Mutex(node) }
        var primary: NodeID? {
            get { node.withLock { $0 } }
            set { node.withLock { $0 = newValue } }
        }
    }

    private let old = NodeID(rawValue: "guild-1")!
    private let new = NodeID(rawValue: "guild-2")!
    private let root = RootEntity.guild(World.guild)
    private let start = NIODeadline.uptimeNanoseconds(0)
    private let map: Map

    init() { map = Map(NodeID(rawValue: "guild-1")!) }

    private func number(_ index: UInt64) -> EventNumber {
        EventNumber(index: LogIndex(rawValue: index), ordinal: 0)
    }

    private func event(_ index: UInt64, after previous: UInt64) -> EventStreamItem {
        .event(World.message("\(index)"), number: number(index), previous: number(previous))
    }

    /// The numbers that loops were given, and what else was done.
    private func take(_ follower: inout RootFollower) -> (
        numbers: [UInt64], sent: [EventStreamRequest], opened: [NodeID]
    ) {
        var (numbers, sent, opened) = ([UInt64](), [EventStreamRequest](), [NodeID]())
        for action in follower.takeActions() {
            switch action {
            case .open(let node): opened.append(node)
            case .send(_, let request): sent.append(request)
            case .deliver(_, .event(_, let number)): numbers.append(number?.index.rawValue ?? 0)
            case .deliver(_, .lost): numbers.append(.max)
            case .deliver: break
            }
        }
        return (numbers, sent, opened)
    }

    private func subscription(_ sent: [EventStreamRequest]) -> (after: EventNumber?, tag: UInt64)? {
        for case .subscribe(_, let after, _, let tag) in sent { return (after, tag) }
        return nil
    }

    /// Live at the old primary, at 100.
    private func live() throws -> RootFollower {
        let map = map
        var follower = RootFollower { _ in map.primary }
        follower.request(.follow(root: root, intents: 1), loop: 0, now: start)
        follower.opened(old, now: start)
        let tag = try #require(subscription(take(&follower).sent)).tag
        follower.received(.subscribed(root: root, position: number(100), tag: tag), from: old, now: start)
        return follower
    }

    /// The slot goes to the new primary, and the follower with it.
    private func move(_ follower: inout RootFollower) throws -> (after: EventNumber?, tag: UInt64) {
        map.primary = new
        follower.rowChanged(root.slot, now: start)
        #expect(take(&follower).opened == [new])
        follower.opened(new, now: start)
        return try #require(subscription(take(&follower).sent))
    }

    @Test func theNewPrimaryIsAskedForWhatFollowsTheLastEvent() throws {
        var follower = try live()
        follower.received(event(101, after: 100), from: old, now: start)
        let (after, tag) = try move(&follower)
        #expect(after == number(101))
        follower.received(.subscribed(root: root, position: number(101), tag: tag), from: new, now: start)
        follower.received(event(102, after: 101), from: new, now: start)
        #expect(take(&follower).numbers == [102])
    }

    @Test func whatAnOldPrimaryStillSendsIsIgnored() throws {
        var follower = try live()
        let (_, tag) = try move(&follower)
        follower.received(event(101, after: 100), from: old, now: start)
        follower.received(.subscribed(root: root, position: number(100), tag: tag), from: new, now: start)
        follower.received(event(102, after: 101), from: old, now: start)
        follower.received(.moved(root: root, epoch: Epoch(rawValue: 1), tag: 0), from: old, now: start)
        follower.received(event(101, after: 100), from: new, now: start)
        follower.received(event(103, after: 102), from: old, now: start)
        #expect(take(&follower).numbers == [101])
        follower.received(event(102, after: 101), from: new, now: start)
        #expect(take(&follower).numbers == [102])
    }

    @Test func whatBothPrimariesSendComesOnce() throws {
        var follower = try live()
        for index in UInt64(101)...103 { follower.received(event(index, after: index - 1), from: old, now: start) }
        #expect(take(&follower).numbers == [101, 102, 103])
        let (_, tag) = try move(&follower)
        follower.received(.subscribed(root: root, position: number(103), tag: tag), from: new, now: start)
        for index in UInt64(101)...105 { follower.received(event(index, after: index - 1), from: new, now: start) }
        #expect(take(&follower).numbers == [104, 105])
    }

    @Test func aGapAfterTheChangeIsFetchedAndOnlyWhatCannotBeFetchedIsLost() throws {
        var follower = try live()
        let (_, tag) = try move(&follower)
        follower.received(.subscribed(root: root, position: number(100), tag: tag), from: new, now: start)
        follower.received(event(105, after: 104), from: new, now: start)
        var sent = take(&follower).sent
        guard case .fetch(_, number(100), number(104), let fetch)? = sent.first else {
            Issue.record("no fetch: \(sent)")
            return
        }
        let missed = (101...104).map { NumberedEvent(number: number($0), event: World.message("\($0)")) }
        follower.received(.fetched(root: root, events: missed, tag: fetch), from: new, now: start)
        #expect(take(&follower).numbers == [101, 102, 103, 104, 105])
        follower.received(event(109, after: 108), from: new, now: start)
        sent = take(&follower).sent
        guard case .fetch(_, _, _, let second)? = sent.first else {
            Issue.record("no fetch: \(sent)")
            return
        }
        follower.received(.gap(root: root, tag: second), from: new, now: start)
        #expect(take(&follower).numbers == [.max])
    }

    @Test func aPrimaryThatDiesDuringAFetchIsFollowedByTheNextWithNothingLost() throws {
        var follower = try live()
        follower.received(event(103, after: 102), from: old, now: start)
        _ = take(&follower)
        follower.closed(old, now: start)
        let (after, tag) = try move(&follower)
        #expect(after == number(100))
        follower.received(.subscribed(root: root, position: number(100), tag: tag), from: new, now: start)
        for index in UInt64(101)...103 { follower.received(event(index, after: index - 1), from: new, now: start) }
        #expect(take(&follower).numbers == [101, 102, 103])
    }

    @Test func aSlotWithoutAPrimaryThatServesIsTriedAgainWithinTensOfMilliseconds() throws {
        var follower = try live()
        follower.received(.moved(root: root, epoch: Epoch(rawValue: 2), tag: 0), from: old, now: start)
        var now = start
        var attempts: [TimeAmount] = []
        while now < start + .seconds(4) {
            now = now + .milliseconds(10)
            follower.tick(now: now)
            guard subscription(take(&follower).sent) != nil else { continue }
            attempts.append(now - start)
            follower.received(.moved(root: root, epoch: Epoch(rawValue: 2), tag: 0), from: old, now: now)
        }
        #expect(attempts.filter { $0 <= .milliseconds(100) }.count >= 2)
        // Later ones are half a second apart at most.
        #expect(zip(attempts, attempts.dropFirst()).allSatisfy { $1 - $0 <= .milliseconds(510) })
        #expect(attempts.count < 20)
    }

    @Test func aNodeThatComesBackIsOpenedAtOnce() throws {
        var follower = try live()
        for _ in 0..<8 {
            follower.closed(old, now: start)
            follower.tick(now: start + .seconds(1))
            _ = take(&follower)
        }
        follower.closed(old, now: start)
        follower.tick(now: start)
        #expect(take(&follower).opened.isEmpty)
        follower.nodeChanged(old, now: start)
        #expect(take(&follower).opened == [old])
        // One attempt at a time.
        follower.nodeChanged(old, now: start)
        #expect(take(&follower).opened.isEmpty)
    }

    @Test func aPrimaryThatComesBackIsSubscribedToAnewAndItsEarlierSubscriptionDoesNotCount() throws {
        var follower = try live()
        let (_, tag) = try move(&follower)
        follower.received(.subscribed(root: root, position: number(100), tag: tag), from: new, now: start)
        follower.received(event(101, after: 100), from: new, now: start)
        map.primary = old
        follower.rowChanged(root.slot, now: start)
        let taken = take(&follower)
        #expect(taken.numbers == [101])
        let (after, again) = try #require(subscription(taken.sent))
        #expect(after == number(101))
        // On its way since before.
        follower.received(event(102, after: 100), from: old, now: start)
        follower.received(.subscribed(root: root, position: number(101), tag: again), from: old, now: start)
        follower.received(event(102, after: 101), from: old, now: start)
        #expect(take(&follower).numbers == [102])
    }
}

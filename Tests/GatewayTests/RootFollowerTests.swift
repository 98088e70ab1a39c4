import Identity
import NIOCore
import Testing
import Wire

@testable import Gateway

/// The protocol of event streams, step by step.
@Suite struct RootFollowerTests {
    private let node = NodeID(rawValue: "guild-1")!
    private let root = RootEntity.guild(World.guild)
    private let start = NIODeadline.uptimeNanoseconds(0)

    private func number(_ index: UInt64) -> EventNumber {
        EventNumber(index: LogIndex(rawValue: index), ordinal: 0)
    }

    private func event(_ text: String) -> Event { World.message(text) }

    /// What the actions say, as text that is easy to compare.
    private func take(_ follower: inout RootFollower) -> [String] {
        follower.takeActions().map { action in
            switch action {
            case .open(let node): "open \(node)"
            case .send(_, .subscribe(_, let after, let intents, _)):
                "subscribe after \(after.map { "\($0)" } ?? "now") intents \(intents)"
            case .send(_, .unsubscribe): "unsubscribe"
            case .send(_, .snapshot): "ask snapshot"
            case .send(_, .fetch(_, let after, let through, _)): "fetch \(after) to \(through)"
            case .deliver(let loop, .event(let event, let number)):
                "\(loop): \(String(buffer: event.payload).contains("one") ? "one" : "other") \(number.map { "\($0)" } ?? "-")"
            case .deliver(let loop, .snapshot(_, let number, _, let tag)): "\(loop): snapshot \(number) for \(tag)"
            case .deliver(let loop, .fetched(_, let events, let tag)): "\(loop): fetched \(events.count) for \(tag)"
            case .deliver(let loop, .gap(_, let tag)): "\(loop): gap for \(tag)"
            case .deliver(let loop, .unknown(_, let tag)): "\(loop): unknown for \(tag)"
            case .deliver(let loop, .lost): "\(loop): lost"
            }
        }
    }

    private func tag(of request: RootFollower.Action) -> UInt64 {
        switch request {
        case .send(_, .subscribe(_, _, _, let tag)), .send(_, .snapshot(_, _, let tag)),
            .send(_, .fetch(_, _, _, let tag)):
            tag
        default: 0
        }
    }

    /// A follower whose guild is live at position 100, on loop 0.
    private func live() -> RootFollower {
        let node = node
        var follower = RootFollower { _ in node }
        follower.request(.follow(root: root, intents: 1), loop: 0, now: start)
        _ = follower.takeActions()
        follower.opened(node, now: start)
        let tag = tag(of: follower.takeActions()[0])
        follower.received(.subscribed(root: root, position: number(100), tag: tag), from: node, now: start)
        _ = follower.takeActions()
        return follower
    }

    @Test func aStreamIsOpenedOnceAndThenSubscribedOn() {
        let node = node
        var follower = RootFollower { _ in node }
        follower.request(.follow(root: root, intents: 1), loop: 0, now: start)
        follower.request(.snapshot(root: root, user: World.bot, tag: 9), loop: 0, now: start)
        follower.request(.follow(root: .user(World.bot), intents: 1), loop: 0, now: start)
        #expect(take(&follower) == ["open guild-1"])
        follower.opened(node, now: start)
        #expect(
            Set(take(&follower)) == ["subscribe after now intents 1", "ask snapshot"])
    }

    @Test func oneCopyServesAllLoopsAndTheInterestWidens() {
        var follower = live()
        follower.request(.follow(root: root, intents: 2), loop: 1, now: start)
        #expect(take(&follower) == ["subscribe after now intents 3"])
        follower.received(.event(event("one"), number: number(101), previous: number(100)), from: node, now: start)
        #expect(Set(take(&follower)) == ["0: one 101.0", "1: one 101.0"])
        follower.request(.unfollow(root: root), loop: 0, now: start)
        #expect(take(&follower).isEmpty)
        follower.request(.unfollow(root: root), loop: 1, now: start)
        #expect(take(&follower) == ["unsubscribe"])
    }

    @Test func aGapIsFetchedAndEverythingBehindWaits() {
        var follower = live()
        follower.request(.snapshot(root: root, user: World.bot, tag: 9), loop: 0, now: start)
        let snapshot = tag(of: follower.takeActions()[0])
        follower.received(.event(event("one"), number: number(103), previous: number(102)), from: node, now: start)
        let fetch = follower.takeActions()
        follower.received(
            .snapshot(root: root, number: number(103), body: ByteBuffer(), tag: snapshot), from: node, now: start)
        #expect(take(&follower).isEmpty)
        follower.received(
            .fetched(
                root: root, events: [101, 102].map { NumberedEvent(number: number($0), event: event("x")) },
                tag: tag(of: fetch[0])), from: node, now: start)
        #expect(take(&follower) == ["0: other 101.0", "0: other 102.0", "0: one 103.0", "0: snapshot 103.0 for 9"])
    }

    @Test func aSecondGapBehindTheFirstIsFetchedToo() {
        var follower = live()
        follower.received(.event(event("x"), number: number(102), previous: number(101)), from: node, now: start)
        let first = follower.takeActions()
        follower.received(.event(event("one"), number: number(105), previous: number(104)), from: node, now: start)
        follower.received(
            .fetched(
                root: root, events: [NumberedEvent(number: number(101), event: event("x"))], tag: tag(of: first[0])),
            from: node, now: start)
        let second = follower.takeActions()
        #expect(second.count == 3)
        follower.received(
            .fetched(
                root: root, events: [NumberedEvent(number: number(104), event: event("x"))], tag: tag(of: second[2])),
            from: node, now: start)
        #expect(take(&follower) == ["0: other 104.0", "0: one 105.0"])
    }

    @Test func aGapThatCannotBeFilledIsSaid() {
        var follower = live()
        follower.received(.event(event("x"), number: number(103), previous: number(102)), from: node, now: start)
        let fetch = follower.takeActions()
        follower.received(.gap(root: root, tag: tag(of: fetch[0])), from: node, now: start)
        #expect(take(&follower) == ["unsubscribe", "0: lost"])
        // It can be followed anew.
        follower.request(.unfollow(root: root), loop: 0, now: start)
        follower.request(.follow(root: root, intents: 1), loop: 0, now: start)
        #expect(take(&follower) == ["subscribe after now intents 1"])
    }

    @Test func whatAFetchLeavesOutIsNotAskedForAgain() {
        var follower = live()
        follower.received(.event(event("one"), number: number(103), previous: number(102)), from: node, now: start)
        let fetch = follower.takeActions()
        follower.received(.fetched(root: root, events: [], tag: tag(of: fetch[0])), from: node, now: start)
        #expect(take(&follower) == ["0: one 103.0"])
    }

    @Test func anAnswerInTheOrderOfAnEarlierSubscriptionDoesNotCount() {
        var follower = live()
        follower.request(.snapshot(root: root, user: World.bot, tag: 9), loop: 0, now: start)
        let earlier = tag(of: follower.takeActions()[0])
        // The slot goes and comes back; 101 to 103 happen meanwhile.
        follower.received(.moved(root: root, epoch: Epoch(rawValue: 2), tag: 0), from: node, now: start)
        _ = follower.takeActions()
        follower.tick(now: start + RootFollower.firstRetry)
        let again = follower.takeActions()
        #expect(again.count == 2)
        let late = EventStreamItem.snapshot(root: root, number: number(102), body: ByteBuffer(), tag: earlier)
        follower.received(late, from: node, now: start)
        follower.received(
            .subscribed(root: root, position: number(100), tag: tag(of: again[0])), from: node, now: start)
        follower.received(late, from: node, now: start)
        #expect(take(&follower).isEmpty)
        follower.received(.event(event("one"), number: number(101), previous: number(100)), from: node, now: start)
        follower.received(
            .snapshot(root: root, number: number(103), body: ByteBuffer(), tag: tag(of: again[1])), from: node,
            now: start)
        #expect(take(&follower) == ["0: one 101.0", "0: snapshot 103.0 for 9"])
    }

    @Test func anEventThatComesTwiceIsDeliveredOnce() {
        var follower = live()
        for _ in 0..<2 {
            follower.received(.event(event("one"), number: number(101), previous: number(100)), from: node, now: start)
        }
        #expect(take(&follower) == ["0: one 101.0"])
    }

    @Test func aLostStreamIsOpenedAgainAfterAPauseAndTheRequestsRepeated() {
        var follower = live()
        follower.request(.snapshot(root: root, user: World.bot, tag: 9), loop: 0, now: start)
        _ = follower.takeActions()
        follower.closed(node, now: start)
        follower.tick(now: start)
        #expect(take(&follower).isEmpty)
        follower.tick(now: start + RootFollower.firstRetry)
        #expect(take(&follower) == ["open guild-1"])
        follower.opened(node, now: start)
        #expect(take(&follower) == ["subscribe after 100.0 intents 1", "ask snapshot"])
    }

    @Test func theSessionsOfARingThatDoesNotReachBackAreLost() {
        var follower = live()
        follower.closed(node, now: start)
        follower.tick(now: start + RootFollower.firstRetry)
        follower.opened(node, now: start)
        let actions = follower.takeActions()
        let subscription = actions.map { tag(of: $0) }.max() ?? 0
        follower.received(.gap(root: root, tag: subscription), from: node, now: start)
        #expect(take(&follower) == ["unsubscribe", "0: lost"])
    }

    @Test func aMovedSlotIsSubscribedToAgainLater() {
        var follower = live()
        follower.received(.moved(root: root, epoch: Epoch(rawValue: 2), tag: 0), from: node, now: start)
        #expect(take(&follower) == ["unsubscribe"])
        follower.tick(now: start + RootFollower.firstRetry)
        #expect(take(&follower) == ["subscribe after 100.0 intents 1"])
    }

    @Test func snapshotsOfWhatDoesNotExistAreAnswered() {
        let node = node
        var follower = RootFollower { _ in node }
        follower.request(.follow(root: root, intents: 1), loop: 0, now: start)
        follower.opened(node, now: start)
        let subscription = follower.takeActions().map { tag(of: $0) }.max() ?? 0
        follower.request(.snapshot(root: root, user: World.bot, tag: 9), loop: 0, now: start)
        _ = follower.takeActions()
        follower.received(.unknown(root: root, tag: subscription), from: node, now: start)
        #expect(take(&follower) == ["0: unknown for 9"])
        follower.request(.snapshot(root: root, user: World.bot, tag: 10), loop: 0, now: start)
        #expect(take(&follower) == ["0: unknown for 10"])
    }
}

import Identity
import NIOCore
import Testing
import Wire

@testable import Slots

@Suite struct EventRingTests {
    static let one = RootEntity.guild(GuildID(rawValue: 1))
    static let two = RootEntity.user(UserID(rawValue: 2))

    static func number(_ index: UInt64) -> EventNumber { EventNumber(index: LogIndex(rawValue: index), ordinal: 0) }

    static func append(_ ring: inout EventRing, _ index: UInt64, root: RootEntity = one, floor: UInt64 = 0) {
        let event = Event(type: "E\(index)", root: root, payload: ByteBuffer(string: "{}"))
        ring.append(
            EventRing.Kept(number: number(index), event: event, encoded: event.encoded()), root: root,
            time: Timestamp(milliseconds: Int64(index) * 1000), floor: number(floor))
    }

    static func numbers(_ ring: EventRing, after: UInt64, last: UInt64, root: RootEntity = one) -> [UInt64]? {
        ring.events(root, after: number(after), through: number(last), last: number(last))?
            .map(\.number.index.rawValue)
    }

    @Test func givesWhatCameAfterANumber() {
        var ring = EventRing(limits: SlotLimits())
        for index in UInt64(1)...10 { Self.append(&ring, index, root: index % 2 == 0 ? Self.two : Self.one) }
        #expect(Self.numbers(ring, after: 4, last: 9) == [5, 7, 9])
        #expect(Self.numbers(ring, after: 9, last: 9) == [])
        #expect(Self.numbers(ring, after: 0, last: 10, root: Self.two) == [2, 4, 6, 8, 10])
    }

    @Test func knowsWhereItBegins() {
        var ring = EventRing(limits: SlotLimits())
        Self.append(&ring, 20, floor: 12)
        #expect(Self.numbers(ring, after: 12, last: 20) == [20])
        #expect(Self.numbers(ring, after: 11, last: 20) == nil)
        // A root without a ring: only who has seen its last event misses nothing.
        #expect(Self.numbers(ring, after: 7, last: 7, root: Self.two) == [])
        #expect(Self.numbers(ring, after: 6, last: 7, root: Self.two) == nil)
        #expect(Self.numbers(ring, after: 8, last: 7, root: Self.two) == nil)
    }

    @Test func isBoundedByCountOfARootBytesOfTheSlotAndAge() {
        var limits = SlotLimits()
        limits.ringEventsOfRoot = 3
        limits.ringAge = .seconds(5)
        var ring = EventRing(limits: limits)
        for index in UInt64(1)...6 { Self.append(&ring, index) }
        #expect(Self.numbers(ring, after: 3, last: 6) == [4, 5, 6])
        #expect(Self.numbers(ring, after: 2, last: 6) == nil)
        ring.expire(now: Timestamp(milliseconds: 10_500))
        #expect(Self.numbers(ring, after: 5, last: 6) == [6])
        #expect(Self.numbers(ring, after: 4, last: 6) == nil)
        ring.expire(now: Timestamp(milliseconds: 60_000))
        #expect(ring.last(Self.one) == nil)
        #expect(ring.bytes == 0)
        #expect(ring.count == 0)

        limits.ringBytesOfSlot = 400
        ring = EventRing(limits: limits)
        for index in UInt64(1)...20 { Self.append(&ring, index, root: index % 2 == 0 ? Self.two : Self.one) }
        #expect(ring.bytes <= 400)
        #expect(ring.last(Self.two) == Self.number(20))
    }
}

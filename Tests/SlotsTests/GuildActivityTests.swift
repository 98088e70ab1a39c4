import Identity
import Replication
import Testing
import Wire

@testable import Slots

@Suite struct GuildActivityTests {
    static func time(_ seconds: Double) -> BootTime { BootTime(nanoseconds: Int64(seconds * 1e9)) }
    static func guild(_ number: UInt64) -> GuildID { GuildID(rawValue: number) }

    @Test func tellsTheLastWholeWindowAndTheBusiestFirst() {
        var activity = GuildActivity(now: Self.time(100))
        activity.add(Self.guild(1), events: 1, bytes: 100, now: Self.time(101))
        for _ in 0..<3 { activity.add(Self.guild(2), events: 2, bytes: 50, now: Self.time(102)) }
        activity.add(Self.guild(3), events: 1, bytes: 10, now: Self.time(103))
        #expect(activity.hottest(subscriptions: { _ in 0 }, now: Self.time(104)).isEmpty)
        // The window that begins here does not count yet.
        activity.add(Self.guild(1), events: 100, bytes: 1, now: Self.time(106))
        let told = activity.hottest(subscriptions: { $0 == Self.guild(2) ? 7 : 0 }, now: Self.time(107))
        #expect(
            told == [
                GuildLoad(guild: Self.guild(2), milliseconds: 6000, events: 6, writtenBytes: 150, subscriptions: 7),
                GuildLoad(guild: Self.guild(1), milliseconds: 6000, events: 1, writtenBytes: 100, subscriptions: 0),
                GuildLoad(guild: Self.guild(3), milliseconds: 6000, events: 1, writtenBytes: 10, subscriptions: 0),
            ])
        #expect(told.map(\.eventsPerSecond) == [1, 1.0 / 6, 1.0 / 6])
        #expect(
            activity.hottest(subscriptions: { _ in 0 }, now: Self.time(111)).map(\.events) == [100])
    }

    @Test func saysNothingOfATimeLongAgoAndIsBounded() {
        var activity = GuildActivity(now: Self.time(0))
        for number in 0..<UInt64(GuildActivity.countedGuilds + 10) {
            activity.add(Self.guild(number), events: 1, bytes: 1, now: Self.time(1))
        }
        activity.add(Self.guild(0), events: 4, bytes: 1, now: Self.time(1))
        let told = activity.hottest(subscriptions: { _ in 0 }, now: Self.time(5))
        #expect(told.count == GuildActivity.toldGuilds)
        #expect(told.first?.guild == Self.guild(0))
        activity.add(Self.guild(1), events: 1, bytes: 1, now: Self.time(6))
        #expect(activity.hottest(subscriptions: { _ in 0 }, now: Self.time(60)).isEmpty)
    }
}

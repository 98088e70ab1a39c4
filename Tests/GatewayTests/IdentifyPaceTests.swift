import Identity
import NIOCore
import Testing
import Wire

@testable import Gateway

@Suite struct IdentifyPaceTests {
    private let start = NIODeadline.uptimeNanoseconds(0)

    @Test func shardsOfOneKeyWaitForEachOther() {
        let pace = IdentifyPace(interval: .seconds(5))
        #expect(pace.admits(World.bot, shard: 0, now: start))
        #expect(!pace.admits(World.bot, shard: 0, now: start + .seconds(4)))
        #expect(!pace.admits(World.bot, shard: SessionStarts.maximumConcurrency, now: start + .seconds(4)))
        #expect(pace.admits(World.bot, shard: 1, now: start))
        #expect(pace.admits(World.owner, shard: 0, now: start))
        #expect(pace.admits(World.bot, shard: 0, now: start + .seconds(5)))
    }

    @Test func withoutAnIntervalNobodyWaits() {
        let pace = IdentifyPace(interval: .zero)
        for _ in 0..<100 { #expect(pace.admits(World.bot, shard: 0, now: start)) }
    }
}

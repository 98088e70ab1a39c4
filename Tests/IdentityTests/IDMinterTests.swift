import Identity
import Testing

@Suite struct IDMinterTests {
    static let slot = Slot(truncating: 421)
    let now = Timestamp(milliseconds: 1_795_000_000_000)

    private func minter(mark: Snowflake = Snowflake(rawValue: 0)) -> IDMinter {
        IDMinter(slot: IDMinterTests.slot, mark: mark)
    }

    @Test func idsCarrySlotAndTime() throws {
        var minter = minter()
        let id = try minter.mint(now: now)
        #expect(id.slot == IDMinterTests.slot)
        #expect(id.timestamp == now)
        #expect(id.sequence == 0)
        #expect(minter.mark == id)
    }

    @Test func idsRiseWhateverTheClockDoes() throws {
        var minter = minter()
        var generator = SystemRandomNumberGenerator()
        var last = Snowflake(rawValue: 0)
        var clock = now
        for _ in 0..<20_000 {
            clock = clock + .milliseconds(Int64.random(in: -500...500, using: &generator))
            let id = try minter.mint(now: clock)
            #expect(id > last)
            last = id
        }
    }

    @Test func aClockThatStepsBackADayStopsNothing() throws {
        var minter = minter()
        let before = try minter.mint(now: now)
        let back = now + .seconds(-86_400)
        // The bound is on bursts: many more ids than a second holds, over a long time of a clock that is behind.
        var last = before
        for millisecond in 0..<100 as Range<Int64> {
            for _ in 0..<10 {
                let id = try minter.mint(now: back + .milliseconds(millisecond))
                #expect(id > last)
                last = id
            }
        }
        #expect(last.milliseconds == before.milliseconds, "1,000 ids fit into the one millisecond")
    }

    @Test func aRestartGoesOnAboveTheMark() throws {
        var first = minter()
        for _ in 0..<100 { _ = try first.mint(now: now) }
        var second = minter(mark: first.mark)
        let same = try second.mint(now: now)
        #expect(same > first.mark)
        var third = minter(mark: first.mark)
        #expect(try third.mint(now: now + .seconds(-3600)) > first.mark)
        var fourth = minter(mark: first.mark)
        #expect(try fourth.mint(now: now + .seconds(5)).timestamp == now + .seconds(5))
    }

    @Test func aBurstBorrowsUpToASecondAndNoMore() throws {
        var minter = minter()
        let millisecond = Int(Snowflake.sequencesPerMillisecond)
        var last = Snowflake(rawValue: 0)
        // The present millisecond and the thousand that may be borrowed.
        for _ in 0..<1001 * millisecond { last = try minter.mint(now: now) }
        #expect(last.timestamp == now + IDMinter.maximumBorrow)
        #expect(last.sequence == 4095)
        #expect(throws: IDMinter.Refusal.burstTooLong) { try minter.mint(now: now) }
        #expect(minter.mark == last, "a refusal mints nothing")
        // A millisecond later there is room for that millisecond's ids.
        #expect(try minter.mint(now: now + .milliseconds(1)) > last)
        #expect(throws: IDMinter.Refusal.burstTooLong) {
            for _ in 0..<millisecond { _ = try minter.mint(now: now + .milliseconds(1)) }
        }
    }

    @Test func crossingAMillisecondStartsTheSequenceAnew() throws {
        var minter = minter()
        for _ in 0..<4096 { _ = try minter.mint(now: now) }
        let next = try minter.mint(now: now)
        #expect(next.sequence == 0)
        #expect(next.timestamp == now + .milliseconds(1))
    }

    @Test func clocksOutsideTheRangeOfIdsAreRefused() throws {
        var minter = minter()
        let first = Timestamp(milliseconds: Snowflake.epochMilliseconds)
        let last = Timestamp(milliseconds: Snowflake.epochMilliseconds + Int64(Snowflake.maximumMilliseconds))
        #expect(throws: IDMinter.Refusal.clockOutOfRange) { try minter.mint(now: first + .milliseconds(-1)) }
        #expect(throws: IDMinter.Refusal.clockOutOfRange) { try minter.mint(now: last + .milliseconds(1)) }
        #expect(throws: IDMinter.Refusal.clockOutOfRange) {
            try minter.mint(now: Timestamp(milliseconds: .min / 2))
        }
        #expect(try minter.mint(now: first).timestamp == first)
        // At the very end of time it stops rather than wraps.
        for _ in 0..<4096 { _ = try minter.mint(now: last) }
        #expect(throws: IDMinter.Refusal.clockOutOfRange) { try minter.mint(now: last) }
    }
}

import Identity
import Testing

@testable import Replication

@Suite struct ClockGuardTests {
    static let start = Timestamp(milliseconds: 1_700_000_000_000)

    /// Answers of peers whose clocks are ahead by so much, four times a second, for some seconds.
    private func run(
        _ clock: inout ClockGuard, ahead peers: [String: Duration], roundTrip: Duration = .milliseconds(2),
        from begin: Duration, for length: Duration
    ) -> [ClockGuard.Verdict] {
        var verdicts: [ClockGuard.Verdict] = []
        var time = begin
        while time < begin + length {
            let now = BootTime(nanoseconds: 0) + time
            let ours = ClockGuardTests.start + time
            for (name, ahead) in peers {
                clock.heard(
                    from: NodeID(rawValue: name)!,
                    theirs: ours + .milliseconds(-(roundTrip / 2).milliseconds + ahead.milliseconds), ours: ours,
                    roundTrip: roundTrip, now: now)
            }
            if let verdict = clock.judge(now: now) { verdicts.append(verdict) }
            time += .milliseconds(250)
        }
        return verdicts
    }

    @Test(arguments: [-499, -1, 0, 499]) func aClockWithinTheToleranceIsBelieved(milliseconds: Int) {
        var clock = ClockGuard()
        let peers: [String: Duration] = ["a": .milliseconds(milliseconds), "b": .milliseconds(milliseconds)]
        #expect(run(&clock, ahead: peers, from: .zero, for: .seconds(60)) == [])
    }

    @Test(arguments: [-60_000, -600, 600, 60_000]) func aClockFarFromTheMedianIsWrongAfterASecond(milliseconds: Int) {
        var clock = ClockGuard()
        let peers: [String: Duration] = ["a": .milliseconds(milliseconds), "b": .milliseconds(milliseconds)]
        #expect(run(&clock, ahead: peers, from: .zero, for: .milliseconds(1_000)) == [])
        let verdicts = run(&clock, ahead: peers, from: .seconds(1), for: .seconds(1))
        guard case .wrong(let ahead) = verdicts.first else {
            Issue.record("no verdict")
            return
        }
        #expect(abs(ahead.milliseconds + Int64(milliseconds)) <= 2)
    }

    @Test func aPeerWithAWrongClockIsOutvoted() {
        var clock = ClockGuard()
        #expect(run(&clock, ahead: ["a": .zero, "b": .seconds(3_600)], from: .zero, for: .seconds(30)) == [])
        #expect(run(&clock, ahead: ["a": .zero, "b": .seconds(-3_600)], from: .seconds(30), for: .seconds(30)) == [])
    }

    @Test func ofTwoClocksThatDifferNobodyCanTellWhichIsWrong() {
        var clock = ClockGuard()
        #expect(run(&clock, ahead: ["a": .seconds(3_600)], from: .zero, for: .seconds(30)) == [])
        #expect(clock.differences.count == 1)
    }

    @Test func aTieGoesToTheOwnClock() {
        var clock = ClockGuard()
        let peers: [String: Duration] = ["a": .zero, "b": .seconds(9), "c": .seconds(9)]
        #expect(run(&clock, ahead: peers, from: .zero, for: .seconds(30)) == [])
        #expect(
            run(
                &clock, ahead: ["a": .seconds(-9), "b": .seconds(9), "c": .seconds(9)], from: .seconds(30),
                for: .seconds(30)) == [])
    }

    @Test func whatTheRoundTripMayExplainIsNoDifference() {
        var clock = ClockGuard()
        let peers: [String: Duration] = ["a": .milliseconds(1_200), "b": .milliseconds(1_200)]
        #expect(run(&clock, ahead: peers, roundTrip: .seconds(2), from: .zero, for: .seconds(30)) == [])
        #expect(
            run(&clock, ahead: peers, roundTrip: .milliseconds(10), from: .seconds(30), for: .seconds(3)).count == 1)
    }

    @Test func aClockThatIsSetRightIsBelievedAfterAWhile() {
        var clock = ClockGuard()
        let wrong: [String: Duration] = ["a": .seconds(-8), "b": .seconds(-8)]
        #expect(run(&clock, ahead: wrong, from: .zero, for: .seconds(3)) == [.wrong(ahead: .milliseconds(7_999))])
        let right: [String: Duration] = ["a": .milliseconds(100), "b": .milliseconds(100)]
        #expect(run(&clock, ahead: right, from: .seconds(3), for: .seconds(5)) == [])
        #expect(run(&clock, ahead: right, from: .seconds(8), for: .seconds(1)) == [.believed])
    }

    @Test func whoIsAloneWithAWrongClockIsNotBelievedForThat() {
        var clock = ClockGuard()
        _ = run(&clock, ahead: ["a": .seconds(8), "b": .seconds(8)], from: .zero, for: .seconds(3))
        #expect(run(&clock, ahead: [:], from: .seconds(3), for: .seconds(60)) == [])
        #expect(clock.verdict != .believed)
    }

    @Test func aMarkFarAheadOfTheReplicasClockIsRefusedUnlessTheOldOneWasThere() {
        func mark(_ ahead: Duration) -> Snowflake {
            let time = ClockGuardTests.start + ahead
            return Snowflake(
                milliseconds: UInt64(time.milliseconds - Snowflake.epochMilliseconds), slot: Slot(truncating: 5),
                sequence: 0)
        }
        let clock = ClockGuardTests.start
        #expect(ClockGuard.takes(mark: mark(.seconds(9)), after: mark(.zero), clock: clock))
        #expect(!ClockGuard.takes(mark: mark(.seconds(11)), after: mark(.seconds(9)), clock: clock))
        #expect(ClockGuard.takes(mark: mark(.seconds(12)), after: mark(.seconds(11)), clock: clock))
        #expect(ClockGuard.takes(mark: mark(.seconds(11)), after: mark(.seconds(11)), clock: clock))
    }
}

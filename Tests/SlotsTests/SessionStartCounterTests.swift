import Identity
import Testing
import Wire

@testable import Slots

@Suite struct SessionStartCounterTests {
    private func time(_ hours: Int64) -> Timestamp { Timestamp(milliseconds: 1_700_000_000_000 + hours * 3_600_000) }

    @Test func aThousandADayAndNoMore() {
        var counter = SessionStartCounter()
        #expect(counter.left(of: 1, now: time(0)) == SessionStarts(remaining: 1000, resetAfterMilliseconds: 0))
        let first = (0..<1000).map { _ in counter.begin(1, now: time(0)) }
        #expect(first.allSatisfy { $0 })
        let oneMore = counter.begin(1, now: time(1))
        #expect(!oneMore)
        #expect(
            counter.left(of: 1, now: time(1)) == SessionStarts(remaining: 0, resetAfterMilliseconds: 23 * 3_600_000))
        let another = counter.begin(2, now: time(1))
        let nextDay = counter.begin(1, now: time(24))
        #expect(another && nextDay)
        #expect(counter.left(of: 1, now: time(24)).remaining == 999)
    }

    @Test func aClockThatStepsBackMakesNoDayLonger() {
        var counter = SessionStartCounter()
        #expect(counter.left(of: 1, now: time(5)).remaining == 1000)
        _ = counter.begin(1, now: time(5))
        #expect(counter.left(of: 1, now: time(0)).resetAfterMilliseconds == 86_400_000)
    }
}

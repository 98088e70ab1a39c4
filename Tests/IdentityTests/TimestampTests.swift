import Foundation
import Identity
import Testing

@Suite struct TimestampTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000+00:00"),
            (1_420_070_400_000, "2015-01-01T00:00:00.000000+00:00"),
            (1_709_164_800_123, "2024-02-29T00:00:00.123000+00:00"),
            (951_868_799_999, "2000-02-29T23:59:59.999000+00:00"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000000+00:00"),
            (-1, "1969-12-31T23:59:59.999000+00:00"),
        ] as [(Int64, String)])
    func areWrittenAsDiscordWritesThem(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
    }

    @Test func agreeWithFoundationOnEveryDayOfTwoCenturies() {
        var style = Date.ISO8601FormatStyle(timeZone: .gmt)
        style = style.year().month().day()
        for day in stride(from: 0, to: 73_000, by: 1) as StrideTo<Int64> {
            let text = Timestamp(milliseconds: day * 86_400_000).description.prefix(10)
            guard text != Date(timeIntervalSince1970: Double(day) * 86_400).formatted(style) else { continue }
            Issue.record("day \(day): \(text)")
            return
        }
    }

    @Test func differencesAreDurations() {
        let time = Timestamp(milliseconds: 1_000)
        #expect(time + .milliseconds(-1_500) - time == .milliseconds(-1_500))
        #expect(time < time + .milliseconds(1))
    }

    @Test func theWallClockMovesByItsOffset() {
        let clock = WallClock()
        let real = clock.now()
        clock.offset = .seconds(-86_400)
        #expect(clock.offset == .seconds(-86_400))
        let moved = clock.now()
        #expect(moved - real < .seconds(-86_000))
        clock.offset = .zero
        #expect(clock.now() >= real)
    }
}

extension Timestamp {
    /// Parses an ISO 8601 date and time as clients write them: `2026-11-24T07:06:32.123456+01:00`.
    ///
    /// Between date and time stands `T` or a space; seconds may have a fraction of any length, of which three digits
    /// count; the zone is `Z`, `±hh:mm` or `±hhmm`, and UTC when it is left out.
    public init?(iso8601 text: some StringProtocol) {
        var parser = Parser(bytes: Array(text.utf8.prefix(64)))
        guard let milliseconds = parser.parse() else { return nil }
        self.init(milliseconds: milliseconds)
    }

    private struct Parser {
        let bytes: [UInt8]
        var at = 0

        mutating func parse() -> Int64? {
            guard let year = number(4), skip("-"), let month = number(2), skip("-"), let day = number(2),
                (1...12).contains(month), (1...Parser.days(in: month, of: year)).contains(day),
                skip("T") || skip("t") || skip(" "),
                let hour = number(2), skip(":"), let minute = number(2), hour < 24, minute < 60
            else { return nil }
            var second = 0
            if skip(":") {
                guard let value = number(2), value <= 60 else { return nil }
                second = min(value, 59)
            }
            guard let fraction = fraction(), let offset = zone(), at == bytes.count else { return nil }
            let days = Parser.days(year: year, month: month, day: day)
            let minutes = days * 1440 + hour * 60 + minute - offset
            return Int64(minutes * 60_000 + second * 1000 + fraction)
        }

        /// Milliseconds; 0 when there is no fraction.
        private mutating func fraction() -> Int? {
            guard skip(".") || skip(",") else { return 0 }
            var milliseconds = 0
            var count = 0
            while let digit = digit() {
                if count < 3 { milliseconds = milliseconds * 10 + digit }
                count += 1
            }
            guard count > 0 else { return nil }
            for _ in min(count, 3)..<3 { milliseconds *= 10 }
            return milliseconds
        }

        /// Minutes east of UTC.
        private mutating func zone() -> Int? {
            if at == bytes.count || skip("Z") || skip("z") { return 0 }
            let sign = skip("-") ? -1 : 1
            guard sign == -1 || skip("+"), let hours = number(2) else { return nil }
            _ = skip(":")
            guard let minutes = at == bytes.count ? 0 : number(2), hours < 24, minutes < 60 else { return nil }
            return sign * (hours * 60 + minutes)
        }

        private mutating func number(_ width: Int) -> Int? {
            var value = 0
            for _ in 0..<width {
                guard let digit = digit() else { return nil }
                value = value * 10 + digit
            }
            return value
        }

        private mutating func digit() -> Int? {
            guard at < bytes.count, (48...57).contains(bytes[at]) else { return nil }
            at += 1
            return Int(bytes[at - 1]) - 48
        }

        private mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
            at += 1
            return true
        }

        private static func days(in month: Int, of year: Int) -> Int {
            switch month {
            case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
            case 4, 6, 9, 11: 30
            default: 31
            }
        }

        /// The day's number, 0 being 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms",
        /// `days_from_civil`).
        private static func days(year: Int, month: Int, day: Int) -> Int {
            let shifted = month <= 2 ? year - 1 : year
            let era = (shifted >= 0 ? shifted : shifted - 399) / 400
            let yearOfEra = shifted - era * 400
            let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
            return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        }
    }
}

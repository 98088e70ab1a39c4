import Identity

extension Timestamp {
    /// Parses an instant in ISO 8601 as clients send it: `2026-11-24T07:06:32.123456+00:00`, with seconds, fraction and
    /// offset left out at will; without an offset it is UTC. `nil` for anything else.
    public init?(iso8601 text: some StringProtocol) {
        guard text.utf8.count <= 40 else { return nil }
        var parser = Parser(rest: Array(text.utf8)[...])
        guard let year = parser.digits(4), parser.skip("-"), let month = parser.digits(2), parser.skip("-"),
            let day = parser.digits(2), parser.skip("T") || parser.skip("t") || parser.skip(" "),
            let hour = parser.digits(2), parser.skip(":"), let minute = parser.digits(2),
            (1...12).contains(month), (1...Parser.days(in: month, of: year)).contains(day), hour < 24, minute < 60
        else { return nil }
        var second = 0
        var fraction = 0
        if parser.skip(":") {
            guard let value = parser.digits(2), value < 61 else { return nil }
            second = value
            if parser.skip(".") {
                guard let value = parser.milliseconds() else { return nil }
                fraction = value
            }
        }
        guard let offset = parser.offsetMinutes(), parser.rest.isEmpty else { return nil }
        let minutes = (Parser.dayNumber(year, month, day) * 24 + hour) * 60 + minute - offset
        self.init(milliseconds: Int64((minutes * 60 + second) * 1000 + fraction))
    }

    private struct Parser {
        var rest: ArraySlice<UInt8>

        mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: scalar) else { return false }
            rest.removeFirst()
            return true
        }

        mutating func digits(_ count: Int) -> Int? {
            let digits = rest.prefix(count)
            guard digits.count == count, digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
            rest.removeFirst(count)
            return digits.reduce(0) { $0 * 10 + Int($1 - 48) }
        }

        /// A fraction of a second of any length, cut to milliseconds.
        mutating func milliseconds() -> Int? {
            let digits = rest.prefix { (48...57).contains($0) }
            guard !digits.isEmpty else { return nil }
            rest.removeFirst(digits.count)
            let padded = digits.prefix(3) + [UInt8](repeating: 48, count: max(0, 3 - digits.count))
            return padded.reduce(0) { $0 * 10 + Int($1 - 48) }
        }

        /// The offset from UTC; 0 when there is none.
        mutating func offsetMinutes() -> Int? {
            if rest.isEmpty || skip("Z") || skip("z") { return 0 }
            let isWest = rest.first == UInt8(ascii: "-")
            guard skip("+") || skip("-"), let hours = digits(2) else { return nil }
            _ = skip(":")
            guard let minutes = digits(2), hours < 24, minutes < 60 else { return nil }
            return (isWest ? -1 : 1) * (hours * 60 + minutes)
        }

        static func days(in month: Int, of year: Int) -> Int {
            switch month {
            case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
            case 4, 6, 9, 11: 30
            default: 31
            }
        }

        /// Days since 1970-01-01 of a Gregorian date, for years from 0 (Howard Hinnant, `days_from_civil`).
        static func dayNumber(_ year: Int, _ month: Int, _ day: Int) -> Int {
            let shifted = month <= 2 ? year - 1 : year
            let era = (shifted >= 0 ? shifted : shifted - 399) / 400
            let yearOfEra = shifted - era * 400
            let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
            return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        }
    }
}

/// Arrives as an ISO 8601 string.
extension Timestamp: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let timestamp = Timestamp(iso8601: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a timestamp")
        }
        self = timestamp
    }
}

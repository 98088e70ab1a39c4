/// A wall-clock instant, in milliseconds since 1970-01-01T00:00Z.
public struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var milliseconds: Int64

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }

    public static func + (left: Timestamp, right: Duration) -> Timestamp {
        Timestamp(milliseconds: left.milliseconds + right.milliseconds)
    }

    public static func - (left: Timestamp, right: Timestamp) -> Duration {
        .milliseconds(left.milliseconds - right.milliseconds)
    }

    /// ISO 8601 as Discord writes it: `2026-11-24T07:06:32.123000+00:00`.
    public var description: String {
        let bytes = [UInt8](unsafeUninitializedCapacity: 32) { buffer, count in count = write(to: buffer) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Writes the 32 bytes of ``description``.
    ///
    /// - Parameter buffer: at least 32 bytes.
    /// - Returns: 32.
    public func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        precondition(buffer.count >= 32, "a timestamp takes 32 bytes")
        let days = Int(milliseconds.floorDivided(by: 86_400_000))
        var rest = Int(milliseconds - Int64(days) * 86_400_000)
        let (year, month, day) = Timestamp.civil(days: days)
        var at = 0
        func digits(_ value: Int, _ width: Int) {
            var value = value
            for position in stride(from: at + width - 1, through: at, by: -1) {
                buffer[position] = UInt8(48 + value % 10)
                value /= 10
            }
            at += width
        }
        func character(_ scalar: Unicode.Scalar) {
            buffer[at] = UInt8(ascii: scalar)
            at += 1
        }
        digits(year, 4)
        character("-")
        digits(month, 2)
        character("-")
        digits(day, 2)
        character("T")
        digits(rest / 3_600_000, 2)
        rest %= 3_600_000
        character(":")
        digits(rest / 60_000, 2)
        rest %= 60_000
        character(":")
        digits(rest / 1000, 2)
        character(".")
        digits(rest % 1000, 3)
        digits(0, 3)
        for scalar in "+00:00".unicodeScalars { character(scalar) }
        return at
    }

    /// Gregorian date of a day number, 0 being 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
    /// algorithms", `civil_from_days`).
    static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}

extension Duration {
    /// Whole milliseconds, rounded towards zero.
    public var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}

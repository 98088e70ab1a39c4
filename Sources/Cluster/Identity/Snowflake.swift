/// A Discord id: 42 bits of milliseconds since 2015-01-01T00:00Z, ten bits of slot, 12 bits of sequence.
///
/// Discord's layout has five bits of worker and five of process in the middle; a Guildhall cluster keeps the
/// ``Slot`` there. Source: Discord API reference, "Snowflakes".
public struct Snowflake: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 2015-01-01T00:00Z in milliseconds since the Unix epoch.
    public static let epochMilliseconds: Int64 = 1_420_070_400_000
    /// The largest time that 42 bits hold, in milliseconds since ``epochMilliseconds`` (the year 2154).
    public static let maximumMilliseconds: UInt64 = (1 << 42) - 1
    /// Ids that one slot may mint in one millisecond before it borrows from the next.
    public static let sequencesPerMillisecond: UInt64 = 4096

    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// - Parameters:
    ///   - milliseconds: since 2015-01-01T00:00Z; only the low 42 bits are kept.
    ///   - sequence: only the low 12 bits are kept.
    public init(milliseconds: UInt64, slot: Slot, sequence: UInt64) {
        rawValue =
            (milliseconds & Snowflake.maximumMilliseconds) << 22 | UInt64(slot.rawValue) << 12 | (sequence & 0xfff)
    }

    /// Parses a decimal id of 1 to 20 digits; `nil` for anything else, a sign or a space included.
    public init?(_ text: some StringProtocol) {
        // A concrete type, so that the loop below is not generic: each request parses several ids.
        let digits = String(text).utf8
        guard (1...20).contains(digits.count) else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard (48...57).contains(digit) else { return nil }
            let (shifted, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, isLarger) = shifted.addingReportingOverflow(UInt64(digit - 48))
            guard !isTooLarge, !isLarger else { return nil }
            value = sum
        }
        rawValue = value
    }

    /// Milliseconds since 2015-01-01T00:00Z.
    public var milliseconds: UInt64 { rawValue >> 22 }
    public var slot: Slot { Slot(truncating: rawValue >> 12) }
    public var sequence: UInt64 { rawValue & 0xfff }
    /// When the id was minted.
    public var timestamp: Timestamp { Timestamp(milliseconds: Int64(milliseconds) + Snowflake.epochMilliseconds) }

    public static func < (left: Snowflake, right: Snowflake) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }
}

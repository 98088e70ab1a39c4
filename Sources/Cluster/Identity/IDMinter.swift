/// Mints the ids of one slot, strictly increasing over restart, failover and a clock that steps back.
///
/// A value without a clock: the time of each minting is passed in. The mark, the largest id ever minted, lies in the
/// same log entry as whatever the id names, so an id is never seen outside before its mark is durable; a new primary
/// starts from the mark in the state. Logical time is `max(clock, mark)`. More than 4,096 ids in one millisecond
/// borrow from the next milliseconds, up to ``maximumBorrow`` ahead of the clock; the bound is on bursts, not on
/// steps of the clock, so it is counted from the first id that ran ahead (DESIGN §3).
public struct IDMinter: Sendable {
    /// How far a burst may run ahead of logical time.
    public static let maximumBorrow: Duration = .seconds(1)

    public enum Refusal: Error, Equatable {
        /// More than 4,096,000 ids were asked for within a second.
        case burstTooLong
        /// The clock is before 2015 or after 2154.
        case clockOutOfRange
    }

    public let slot: Slot
    /// The largest id minted so far; zero before the first.
    public private(set) var mark: Snowflake
    /// The largest clock reading so far, or the mark's time at start: bursts are bounded relative to it.
    private var latestClock: UInt64

    public init(slot: Slot, mark: Snowflake = Snowflake(rawValue: 0)) {
        self.slot = slot
        self.mark = mark
        latestClock = mark.milliseconds
    }

    /// - Parameter now: the wall clock's reading.
    /// - Throws: ``Refusal``.
    public mutating func mint(now: Timestamp) throws(Refusal) -> Snowflake {
        let sinceEpoch = now.milliseconds - Snowflake.epochMilliseconds
        guard sinceEpoch >= 0, UInt64(sinceEpoch) <= Snowflake.maximumMilliseconds else {
            throw .clockOutOfRange
        }
        let clock = UInt64(sinceEpoch)
        latestClock = max(latestClock, clock)
        var milliseconds = max(latestClock, mark.milliseconds)
        var sequence: UInt64 = 0
        if mark.rawValue != 0, milliseconds == mark.milliseconds {
            sequence = mark.sequence + 1
            if sequence == Snowflake.sequencesPerMillisecond {
                sequence = 0
                milliseconds += 1
            }
        }
        guard milliseconds - latestClock <= UInt64(IDMinter.maximumBorrow.milliseconds) else { throw .burstTooLong }
        guard milliseconds <= Snowflake.maximumMilliseconds else { throw .clockOutOfRange }
        mark = Snowflake(milliseconds: milliseconds, slot: slot, sequence: sequence)
        return mark
    }
}

/// One of the 1,024 shards that all entities of a cluster are spread over.
///
/// The slot of an entity is carried in its id (see ``Snowflake``), so a request is routed without a look-up.
public struct Slot: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// How many slots a cluster has. Fixed for ever: ids carry the slot in ten bits.
    public static let count: UInt16 = 1024

    public let rawValue: UInt16

    /// Returns `nil` when `rawValue` is not below ``count``.
    public init?(rawValue: UInt16) {
        guard rawValue < Slot.count else { return nil }
        self.rawValue = rawValue
    }

    /// Takes the low ten bits of `bits`, so that it cannot fail.
    public init(truncating bits: UInt64) {
        rawValue = UInt16(truncatingIfNeeded: bits & 0x3ff)
    }

    public static func < (left: Slot, right: Slot) -> Bool { left.rawValue < right.rawValue }

    /// All slots, in order.
    public static var all: [Slot] { (0..<UInt64(count)).map { Slot(truncating: $0) } }

    public var description: String { String(rawValue) }
}

/// The version of one row of the shard map; it rises at every change of the row.
public struct Epoch: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public var rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let zero = Epoch(rawValue: 0)
    public var next: Epoch { Epoch(rawValue: rawValue + 1) }
    public static func < (left: Epoch, right: Epoch) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }
}

/// The place of an entry in its slot's log; the first entry has 1.
public struct LogIndex: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public var rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let zero = LogIndex(rawValue: 0)
    public var next: LogIndex { LogIndex(rawValue: rawValue + 1) }
    public static func < (left: LogIndex, right: LogIndex) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }
}

/// The number of a durable event: the index of its entry, and its place among that entry's events.
///
/// It survives failover, because a new primary finds it again in the log.
public struct EventNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var index: LogIndex
    public var ordinal: UInt32

    public init(index: LogIndex, ordinal: UInt32) {
        self.index = index
        self.ordinal = ordinal
    }

    public static let zero = EventNumber(index: .zero, ordinal: 0)

    public static func < (left: EventNumber, right: EventNumber) -> Bool {
        (left.index, left.ordinal) < (right.index, right.ordinal)
    }

    public var description: String { "\(index).\(ordinal)" }
}

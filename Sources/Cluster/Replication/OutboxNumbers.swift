import Identity

/// How far a slot's effects on other slots have come (DESIGN §6.8): a value without I/O.
///
/// For each destination the numbers run: acknowledged ≤ committed ≤ given. What is committed is delivered, again and
/// again until the destination has acknowledged it; the destination applies each number once, in order.
public struct OutboxNumbers: Sendable {
    public struct Lane: Sendable {
        /// Given to the last effect, committed or not.
        public var given: UInt64 = 0
        /// The last effect whose entry is committed: it may be delivered.
        public var committed: UInt64 = 0
        /// The last effect that the destination has applied.
        public var acknowledged: UInt64 = 0
        public var isUnderWay = false
        public var failures = 0

        public init() {}

        public var hasMore: Bool { committed > acknowledged }
    }

    public private(set) var lanes: [Slot: Lane] = [:]
    /// Deliveries under way, to all destinations.
    public private(set) var underWay = 0

    public init() {}

    /// What a new primary finds in the slot's state: `last` was given, and what lies above `acknowledged` is there to be
    /// delivered.
    public mutating func recover(_ destination: Slot, last: UInt64, acknowledged: UInt64) {
        var lane = Lane()
        lane.given = last
        lane.committed = last
        lane.acknowledged = min(acknowledged, last)
        lanes[destination] = lane
    }

    /// Destinations that have something to get.
    public var destinations: [Slot] { lanes.filter { $0.value.hasMore && !$0.value.isUnderWay }.keys.sorted() }

    public mutating func nextNumber(_ destination: Slot) -> UInt64 {
        lanes[destination, default: Lane()].given += 1
        return lanes[destination]?.given ?? 1
    }

    public mutating func committed(_ destination: Slot, _ number: UInt64) {
        lanes[destination, default: Lane()].committed = number
    }

    /// - Returns: the numbers to deliver, when there are any and no delivery is under way.
    public mutating func begin(_ destination: Slot, batch: Int) -> ClosedRange<UInt64>? {
        guard let lane = lanes[destination], lane.hasMore, !lane.isUnderWay else { return nil }
        lanes[destination]?.isUnderWay = true
        underWay += 1
        return lane.acknowledged + 1...min(lane.committed, lane.acknowledged + UInt64(batch))
    }

    /// The delivery has ended; `through` is what the destination has applied, absent when it gave no answer.
    ///
    /// - Returns: whether the acknowledged number rose.
    public mutating func end(_ destination: Slot, through: UInt64?) -> Bool {
        guard var lane = lanes[destination], lane.isUnderWay else { return false }
        underWay -= 1
        defer { lanes[destination] = lane }
        lane.isUnderWay = false
        guard let through, through > lane.acknowledged else {
            lane.failures += 1
            return false
        }
        lane.failures = 0
        lane.acknowledged = min(through, lane.committed)
        return true
    }

    public enum Arrival: Hashable, Sendable {
        case next
        /// It is applied already.
        case repeated
        /// Those between are missing: nothing is applied.
        case early
    }

    /// What a destination that has applied the numbers through `last` does with `number`.
    public static func arrival(of number: UInt64, after last: UInt64) -> Arrival {
        number <= last ? .repeated : number == last + 1 ? .next : .early
    }
}

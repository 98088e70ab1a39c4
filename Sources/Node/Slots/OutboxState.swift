import Identity

/// How far a slot's effects on other slots have come (DESIGN §6.8).
///
/// For each destination the numbers run: acknowledged ≤ committed ≤ given.
struct OutboxState {
    struct Lane {
        /// Given to the last effect, committed or not.
        var given: UInt64 = 0
        /// The last effect whose entry is committed: it may be delivered.
        var committed: UInt64 = 0
        /// The last effect that the destination has applied.
        var acknowledged: UInt64 = 0
        var isUnderWay = false
        var failures = 0

        var hasMore: Bool { committed > acknowledged }
    }

    private(set) var lanes: [Slot: Lane] = [:]
    var underWay = 0

    init() {}

    init(_ recovered: RuntimeRows) {
        for (destination, last) in recovered.outboxLast {
            lanes[destination] = Lane(given: last, committed: last, acknowledged: last)
        }
        for (destination, numbers) in recovered.outbox {
            var lane = lanes[destination] ?? Lane()
            lane.acknowledged = numbers.first - 1
            lane.committed = numbers.last
            lane.given = max(lane.given, numbers.last)
            lanes[destination] = lane
        }
    }

    /// Destinations that have something to get.
    var destinations: [Slot] { lanes.filter { $0.value.hasMore && !$0.value.isUnderWay }.keys.sorted() }

    mutating func nextNumber(_ destination: Slot) -> UInt64 {
        lanes[destination, default: Lane()].given += 1
        return lanes[destination]?.given ?? 1
    }

    mutating func committed(_ destination: Slot, _ number: UInt64) {
        lanes[destination, default: Lane()].committed = number
    }

    /// - Returns: the numbers to deliver, when there are any and no delivery is under way.
    mutating func begin(_ destination: Slot, batch: Int) -> ClosedRange<UInt64>? {
        guard let lane = lanes[destination], lane.hasMore, !lane.isUnderWay else { return nil }
        lanes[destination]?.isUnderWay = true
        underWay += 1
        return lane.acknowledged + 1...min(lane.committed, lane.acknowledged + UInt64(batch))
    }

    /// The delivery has ended; `through` is what the destination has applied, absent when it gave no answer.
    ///
    /// - Returns: whether the acknowledged number rose.
    mutating func end(_ destination: Slot, through: UInt64?) -> Bool {
        underWay -= 1
        guard var lane = lanes[destination] else { return false }
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
}

import DequeModule
import Identity
import NIOCore
import Wire

/// The recent durable events of one slot, by root entity: what gateways ask for again (DESIGN §10).
///
/// Bounded by age, by count and bytes of a root, by bytes of the slot, and with those of other slots by their sum. For each
/// root it knows its *floor*: all of the root's events after the floor are here. A new primary rebuilds it from the log.
struct EventRing: Sendable {
    /// An event as it is sent, with what filtering needs of it.
    struct Kept: Sendable {
        var number: EventNumber
        /// The encoded ``Event``.
        var event: ByteBuffer
        var intents: UInt64
        /// Events that carry a change go to every gateway, whatever its intents.
        var hasChange: Bool

        init(number: EventNumber, event: Event, encoded: ByteBuffer) {
            self.number = number
            self.event = encoded
            intents = event.intents
            hasChange = event.change != nil
        }

        var size: Int { event.readableBytes + 96 }

        func meets(_ interest: UInt64) -> Bool { hasChange || intents == 0 || intents & interest != 0 }
    }

    private struct RootRing {
        var kept: Deque<Kept> = []
        var bytes = 0
        var floor: EventNumber
    }

    private struct Place {
        var root: RootEntity
        var number: EventNumber
        var time: Timestamp
    }

    private let limits: SlotLimits
    private var roots: [RootEntity: RootRing] = [:]
    /// All events in the order of their numbers; some may have left their root's ring already.
    private var order: Deque<Place> = []
    private(set) var bytes = 0

    init(limits: SlotLimits) { self.limits = limits }

    var count: Int { order.count }

    /// When the oldest event was made that is here.
    var begin: Timestamp? { order.first?.time }

    /// The number of the root's last event, when it is here.
    func last(_ root: RootEntity) -> EventNumber? { roots[root]?.kept.last?.number }

    /// - Parameter floor: the number of the root's event before this one; asked for only when the root is new here.
    mutating func append(
        _ kept: Kept, root: RootEntity, time: Timestamp, floor: @autoclosure () -> EventNumber
    ) {
        if roots[root] == nil { roots[root] = RootRing(floor: floor()) }
        roots[root]?.kept.append(kept)
        roots[root]?.bytes += kept.size
        bytes += kept.size
        order.append(Place(root: root, number: kept.number, time: time))
        while let oldest = oldestAboveLimits(of: root) { remove(oldest, of: root) }
        // Places whose event left its root's ring early still count as places: they go by age or here.
        while bytes > limits.ringBytesOfSlot || order.count > 4 * limits.ringEventsOfRoot, !order.isEmpty {
            removeOldest()
        }
    }

    /// The event that has to go, if any. The ring is only read here: a copy of it that were held while the event is
    /// removed would make that removal copy the whole ring.
    private func oldestAboveLimits(of root: RootEntity) -> Kept? {
        guard let ring = roots[root],
            ring.kept.count > limits.ringEventsOfRoot || ring.bytes > limits.ringBytesOfRoot
        else { return nil }
        return ring.kept.first
    }

    /// Forgets what is older than `age`, by default the ring's.
    mutating func expire(now: Timestamp, age: Duration? = nil) {
        let oldest = now - (age ?? limits.ringAge)
        while let place = order.first, place.time < oldest { removeOldest() }
    }

    private mutating func removeOldest() {
        guard let place = order.popFirst() else { return }
        guard let first = roots[place.root]?.kept.first, first.number == place.number else { return }
        remove(first, of: place.root)
    }

    private mutating func remove(_ kept: Kept, of root: RootEntity) {
        roots[root]?.kept.removeFirst()
        roots[root]?.bytes -= kept.size
        roots[root]?.floor = kept.number
        bytes -= kept.size
        // The floor is then the root's last number, which the state keeps.
        if roots[root]?.kept.isEmpty ?? false { roots[root] = nil }
    }

    /// The root's events in (`after`, `through`], or `nil` when some of them may be gone.
    ///
    /// - Parameter last: the number of the root's last event, by the state.
    func events(_ root: RootEntity, after: EventNumber, through: EventNumber, last: EventNumber) -> [Kept]? {
        // Nobody can have seen more than there is.
        guard after <= last else { return nil }
        guard let ring = roots[root] else { return after == last ? [] : nil }
        guard after >= ring.floor else { return nil }
        var low = 0
        var high = ring.kept.count
        while low < high {
            let middle = (low + high) / 2
            if ring.kept[middle].number <= after { low = middle + 1 } else { high = middle }
        }
        return ring.kept[low...].prefix { $0.number <= through }.map { $0 }
    }
}

extension Timestamp {
    static func - (left: Timestamp, right: Duration) -> Timestamp {
        Timestamp(milliseconds: left.milliseconds - right.milliseconds)
    }
}

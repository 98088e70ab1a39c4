import Identity
import Logging
import NIOCore
import Transport
import Wire

/// Which gateways follow which root entities of one executor's slots, and what each was sent last (DESIGN §10).
///
/// One copy of an event goes to each gateway that has a session interested in it. A gateway that does not keep up is
/// shed: its stream is closed, and it opens a new one and asks for what it missed.
final class EventHub {
    struct Interest {
        var stream: any TransportStream
        var intents: UInt64
        /// The number of the event sent last, or of the position that the subscription began at.
        var lastSent: EventNumber
    }

    private let logger: Logger
    private let metrics: SlotMetrics
    private var interests: [RootEntity: [Interest]] = [:]
    private var rootsByStream: [ObjectIdentifier: Set<RootEntity>] = [:]

    init(logger: Logger, metrics: SlotMetrics) {
        self.logger = logger
        self.metrics = metrics
    }

    func interest(of stream: any TransportStream, in root: RootEntity) -> Interest? {
        interests[root]?.first { $0.stream === stream }
    }

    func add(_ interest: Interest, to root: RootEntity) {
        if let position = interests[root]?.firstIndex(where: { $0.stream === interest.stream }) {
            interests[root]?[position] = interest
        } else {
            interests[root, default: []].append(interest)
        }
        rootsByStream[ObjectIdentifier(interest.stream), default: []].insert(root)
    }

    func remove(_ stream: any TransportStream, from root: RootEntity) {
        interests[root]?.removeAll { $0.stream === stream }
        if interests[root]?.isEmpty ?? false { interests[root] = nil }
        rootsByStream[ObjectIdentifier(stream)]?.remove(root)
    }

    /// The stream is closed.
    func remove(_ stream: any TransportStream) {
        for root in rootsByStream.removeValue(forKey: ObjectIdentifier(stream)) ?? [] {
            interests[root]?.removeAll { $0.stream === stream }
            if interests[root]?.isEmpty ?? false { interests[root] = nil }
        }
    }

    /// How many subscriptions there are to roots of each slot.
    func subscriptions() -> [Slot: Int] {
        interests.reduce(into: [:]) { $0[$1.key.slot, default: 0] += $1.value.count }
    }

    /// How many subscriptions there are to a root.
    func subscriptions(to root: RootEntity) -> Int { interests[root]?.count ?? 0 }

    /// Sends an event to every gateway that is interested. `number` is absent for ephemeral events.
    func emit(_ kept: EventRing.Kept, root: RootEntity, isDurable: Bool) {
        guard let interested = interests[root] else { return }
        for (position, interest) in interested.enumerated() where kept.meets(interest.intents) {
            let item = EventStreamItem.encodedEvent(
                kept.event, number: isDurable ? kept.number : nil, previous: isDurable ? interest.lastSent : nil)
            guard send(item, to: interest.stream) else { continue }
            // Shedding another stream may have moved this one.
            if isDurable, interests[root]?.indices.contains(position) ?? false,
                interests[root]?[position].stream === interest.stream
            {
                interests[root]?[position].lastSent = kept.number
            } else if isDurable, let moved = interests[root]?.firstIndex(where: { $0.stream === interest.stream }) {
                interests[root]?[moved].lastSent = kept.number
            }
        }
    }

    /// The slot is not served here any more.
    func leave(_ slot: Slot, epoch: Epoch) {
        for (root, interested) in interests where root.slot == slot {
            for interest in interested {
                send(.moved(root: root, epoch: epoch, tag: 0), to: interest.stream)
                rootsByStream[ObjectIdentifier(interest.stream)]?.remove(root)
            }
            interests[root] = nil
        }
    }

    @discardableResult
    func send(_ item: EventStreamItem, to stream: any TransportStream) -> Bool { send(item.encoded(), to: stream) }

    /// - Returns: `false` when the gateway was shed instead.
    @discardableResult
    func send(_ item: ByteBuffer, to stream: any TransportStream) -> Bool {
        if stream.send(item) {
            metrics.eventsSent.increment()
            return true
        }
        logger.warning("a gateway does not keep up; its stream is closed", metadata: ["peer": "\(stream.peer)"])
        metrics.streamsShed.increment()
        remove(stream)
        stream.close("the stream's queue is full")
        return false
    }
}

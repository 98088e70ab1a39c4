import Identity
import NIOCore
import Synchronization
import Wire

/// A stream as both sides' users see it; the credit is kept by ``ConnectionState``.
///
/// The counters are atomic so that ``send(_:)`` answers at once on any thread; the queue itself lies on the event loop.
final class ConnectionStream: TransportStream {
    let peer: NodeID
    let id: UInt64
    private let mailbox: Mailbox<ConnectionCommand>
    private let itemLimit: Int
    private let byteLimit: Int
    private let itemLength: Int
    private let lane: Lane
    private let metrics: TransportMetrics
    private let grantSize: Int
    private let queuedItems = Atomic<Int>(0)
    private let queuedBytes = Atomic<Int>(0)
    private let unreported = Atomic<Int>(0)
    private let isClosed = Atomic<Bool>(false)

    init(
        id: UInt64, peer: NodeID, lane: Lane, mailbox: Mailbox<ConnectionCommand>, limits: TransportLimits,
        metrics: TransportMetrics
    ) {
        self.id = id
        self.peer = peer
        self.mailbox = mailbox
        itemLimit = limits.streamQueueItems
        byteLimit = limits.streamQueueBytes
        itemLength = lane.maximumBodyLength
        self.lane = lane
        self.metrics = metrics
        grantSize = max(1, limits.streamWindow / 4)
    }

    func send(_ item: ByteBuffer) -> Bool {
        let size = item.readableBytes
        guard size <= itemLength, !isClosed.load(ordering: .acquiring) else { return false }
        let items = queuedItems.wrappingAdd(1, ordering: .relaxed).newValue
        let bytes = queuedBytes.wrappingAdd(size, ordering: .relaxed).newValue
        guard items <= itemLimit, bytes <= byteLimit || items == 1 else {
            released(items: 1, bytes: size)
            metrics.shed(on: lane)
            return false
        }
        mailbox.post(.item(id, item))
        return true
    }

    /// Reported in quarters of the window: a credit frame for each item would cost as much as the item.
    func consumed(_ items: Int) {
        let sum = unreported.wrappingAdd(items, ordering: .relaxed).newValue
        guard sum >= grantSize else { return }
        let granted = unreported.exchange(0, ordering: .relaxed)
        if granted > 0 { mailbox.post(.grant(id, granted)) }
    }

    func close(_ reason: String) {
        if markClosed() { mailbox.post(.closeStream(id, reason)) }
    }

    /// - Returns: whether it was open.
    @discardableResult
    func markClosed() -> Bool { !isClosed.exchange(true, ordering: .acquiringAndReleasing) }

    /// Items have left the process.
    func released(items: Int, bytes: Int) {
        queuedItems.wrappingSubtract(items, ordering: .relaxed)
        queuedBytes.wrappingSubtract(bytes, ordering: .relaxed)
    }
}

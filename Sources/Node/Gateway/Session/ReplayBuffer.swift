import DequeModule
import NIOCore

/// What a session has sent and the client has not acknowledged: what RESUME sends again.
///
/// Bounded by count, bytes and age; what falls out at the front makes an older RESUME impossible. The bytes are shared
/// with all other sessions that got the event.
struct ReplayBuffer {
    static let maximumCount = 4096
    static let maximumBytes = 8 << 20
    static let maximumAge = TimeAmount.minutes(10)

    struct Delivery {
        var sequence: Int
        var dispatch: Dispatch
        var sentAt: NIODeadline
    }

    private(set) var deliveries: Deque<Delivery> = []
    private var bytes = 0
    /// The newest sequence number that is no longer here: a RESUME from before it fails.
    private(set) var floor: Int

    init(floor: Int = 0) { self.floor = floor }

    mutating func append(_ dispatch: Dispatch, sequence: Int, now: NIODeadline) {
        deliveries.append(Delivery(sequence: sequence, dispatch: dispatch, sentAt: now))
        bytes += dispatch.tail.readableBytes
        while deliveries.count > ReplayBuffer.maximumCount || bytes > ReplayBuffer.maximumBytes { removeFirst() }
    }

    /// The client has received all up to `sequence`.
    mutating func acknowledge(_ sequence: Int) {
        while let first = deliveries.first, first.sequence <= sequence { removeFirst() }
    }

    mutating func expire(now: NIODeadline) {
        while let first = deliveries.first, now - first.sentAt > ReplayBuffer.maximumAge { removeFirst() }
    }

    /// What follows `sequence`; `nil` when a part of it is gone.
    func after(_ sequence: Int) -> [Delivery]? {
        guard sequence >= floor else { return nil }
        return deliveries.filter { $0.sequence > sequence }
    }

    private mutating func removeFirst() {
        let delivery = deliveries.removeFirst()
        bytes -= delivery.dispatch.tail.readableBytes
        floor = delivery.sequence
    }
}

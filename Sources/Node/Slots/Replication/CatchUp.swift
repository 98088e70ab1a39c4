import DequeModule
import Identity
import NIOCore
import Replication

/// What one lagging follower node is owed from the log on disk, and what is under way to it. Bounded by what it
/// acknowledges, so that reading does not outrun its disk.
struct CatchUp {
    var orders: Deque<(slot: Slot, order: AppendOrder)> = []
    var isReading = false
    /// Whether the next order waits for its time.
    var isPausing = false
    /// When the next bytes may go to a learner.
    private var due = NIODeadline.now()
    /// Not acknowledged yet.
    private(set) var bytes = 0
    private var underWay: [Slot: Deque<(through: LogIndex, bytes: Int)>] = [:]
    private var progressed = NIODeadline.now()

    /// Orders of a slot are in the order of its log. One that begins where another does takes the place of it and of those
    /// after it: the follower has been asked again. What waits for long is asked for again each second, and would grow
    /// faster than it is sent.
    mutating func add(_ order: AppendOrder, of slot: Slot) {
        orders.removeAll { $0.slot == slot && $0.order.previous.index >= order.previous.index }
        orders.append((slot, order))
    }

    /// A part of an order was sent. It is the others' turn before the slot goes on, with the rest of it.
    mutating func putOff(_ rest: AppendOrder, of slot: Slot) {
        let later = orders.filter { $0.slot == slot }
        // While it was read the follower has been asked again, from further back.
        if let first = later.first, first.order.previous.index <= rest.previous.index { return }
        orders.removeAll { $0.slot == slot }
        orders.append((slot, rest))
        orders.append(contentsOf: later)
    }

    mutating func sent(_ slot: Slot, through index: LogIndex, bytes count: Int) {
        if bytes == 0 { progressed = .now() }
        underWay[slot, default: []].append((index, count))
        bytes += count
    }

    /// - Returns: whether something was under way that is there now.
    mutating func acknowledged(_ slot: Slot, through index: LogIndex) -> Bool {
        var hasProgress = false
        while let first = underWay[slot]?.first, first.through <= index {
            underWay[slot]?.removeFirst()
            bytes -= first.bytes
            hasProgress = true
        }
        if underWay[slot]?.isEmpty ?? false { underWay[slot] = nil }
        if hasProgress { progressed = .now() }
        return hasProgress
    }

    /// What was sent takes its time at this rate.
    mutating func pace(_ bytes: Int, aSecond rate: Int, now: NIODeadline) {
        due = max(due, now) + .nanoseconds(Int64(Double(bytes) / Double(rate) * 1e9))
    }

    /// How long a learner's next bytes have to wait.
    func pause(now: NIODeadline) -> Duration? {
        now < due ? .nanoseconds((due - now).nanoseconds) : nil
    }

    /// After a time without an acknowledgement, what was sent counts as lost.
    mutating func forgive(after patience: Duration) {
        guard bytes > 0, NIODeadline.now() - progressed >= .nanoseconds(Int64(patience / .nanoseconds(1))) else {
            return
        }
        underWay = [:]
        bytes = 0
    }
}

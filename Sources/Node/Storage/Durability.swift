import Dispatch
import Identity

/// What of one slot has reached the disk by a synced write.
public struct Durability: Hashable, Sendable {
    /// The latest generation of which something was written; `nil` when the log itself was not changed.
    public var generation: LogGeneration?
    /// All entries of this generation through the index are on disk, and so is the truncation that began it.
    public var index: LogIndex?
    /// The last epoch that is remembered by it.
    public var epoch: Epoch?
    /// The epoch of the last row that is remembered by it.
    public var row: Epoch?

    public init(
        generation: LogGeneration? = nil, index: LogIndex? = nil, epoch: Epoch? = nil, row: Epoch? = nil
    ) {
        self.row = row
        self.generation = generation
        self.index = index
        self.epoch = epoch
    }

    /// What `later`, of the same slot, adds.
    mutating func add(_ later: Durability) {
        if let generation = later.generation {
            precondition(generation >= self.generation ?? .initial, "a slot's generations rise")
            self.generation = generation
            index = later.index
        }
        if let epoch = later.epoch { self.epoch = epoch }
        if let row = later.row { self.row = row }
    }
}

/// Told by the log writer what has reached the disk; called on the writer's thread, so it only passes the news on.
public protocol DurabilityObserver: AnyObject, Sendable {
    /// One synced write has brought this to disk. Calls come in the order of the writes.
    func durable(_ slots: [Slot: Durability])
}

/// Lets a thread wait until a change is on disk. Only the last of several changes names it, since they are written in
/// order.
final class DurabilityWaiter: DurabilityObserver {
    private let written = DispatchSemaphore(value: 0)

    func durable(_ slots: [Slot: Durability]) { written.signal() }

    /// Needs no deadline: the writer writes all that is queued, or the process ends.
    func wait() { written.wait() }
}

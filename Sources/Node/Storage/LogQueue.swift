import Dispatch
import Identity
import NIOCore
import Synchronization

/// What waits for the log's disk. Filled by the slots' executors, emptied by the log writer's thread.
final class LogQueue: Sendable {
    struct Item: Sendable {
        var change: LogChange
        var observer: (any DurabilityObserver)?
        var size: Int { change.size }
    }

    private struct Contents {
        var items: [Item] = []
        var isStopping = false
    }

    private let limit: Int
    private let contents = Mutex(Contents())
    private let count = Atomic<Int>(0)
    /// Signalled once for each passage from empty to not empty, and at stop.
    private let wakeUp = DispatchSemaphore(value: 0)

    init(limit: Int) { self.limit = limit }

    var bytes: Int { count.load(ordering: .relaxed) }
    var isFull: Bool { bytes >= limit }

    /// The lock is held for the time of appending to an array; the writer takes the whole array in one step.
    func enqueue(_ items: [Item]) {
        guard !items.isEmpty else { return }
        count.add(items.reduce(0) { $0 + $1.size }, ordering: .relaxed)
        let wasEmpty = contents.withLock { contents in
            precondition(!contents.isStopping, "nothing is appended after stop")
            defer { contents.items.append(contentsOf: items) }
            return contents.items.isEmpty
        }
        if wasEmpty { wakeUp.signal() }
    }

    /// Waits for something to write, then takes all of it. Blocks; for the writer's thread only.
    ///
    /// - Returns: no items and `true` once everything is taken and the queue is stopped.
    func takeAll() -> (items: [Item], isStopped: Bool) {
        wakeUp.wait()
        return contents.withLock { contents in
            let items = contents.items
            contents.items = []
            return (items, contents.isStopping)
        }
    }

    /// `bytes` of what was taken are on disk now.
    func written(_ bytes: Int) { count.subtract(bytes, ordering: .relaxed) }

    func stop() {
        contents.withLock { $0.isStopping = true }
        wakeUp.signal()
    }
}

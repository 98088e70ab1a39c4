import Foundation
import Identity
import NIOCore

/// Writes the entries of all slots to the log, on a thread of its own (DESIGN §6.2).
///
/// Group commit: all that has queued up while the sync before it ran goes into the next synced write, so an idle
/// system adds no wait and a busy one shares each fsync. After a failed write the process ends: whether the disk holds
/// what was written is then unknown, and a second fsync would not tell.
public final class LogWriter: Sendable {
    /// One entry on its way to the disk.
    public struct Append: Sendable {
        public var slot: Slot
        public var index: LogIndex
        public var entry: ByteBuffer
        public var generation: LogGeneration

        public init(slot: Slot, index: LogIndex, entry: ByteBuffer, generation: LogGeneration = .initial) {
            self.slot = slot
            self.index = index
            self.entry = entry
            self.generation = generation
        }
    }

    /// What one synced write held, and how long it took.
    public struct BatchReport: Sendable {
        public var entries: Int
        /// Of the encoded entries, without their keys.
        public var bytes: Int
        public var duration: Duration
    }

    private let queue: LogQueue
    private let thread: JoinableThread

    /// - Parameters:
    ///   - report: called on the writer's thread after each synced write, for metrics.
    ///   - fail: ends the process; see ``Storage/endProcess(_:)``.
    public init(
        log: LogStore, limits: StoreLimits = StoreLimits(),
        report: @escaping @Sendable (BatchReport) -> Void = { _ in },
        fail: @escaping @Sendable (StorageFailure) -> Never = endProcess
    ) {
        let queue = LogQueue(limit: limits.logQueue)
        let loop = LogWriterLoop(log: log, queue: queue, batchLimit: limits.logBatch, report: report, fail: fail)
        self.queue = queue
        thread = JoinableThread { loop.run() }
    }

    /// Whether so much waits that nothing more should be appended now.
    public var isFull: Bool { queue.isFull }
    /// Bytes that wait for the disk.
    public var queuedBytes: Int { queue.bytes }

    /// Queues changes of any slots; those of one slot in the order in which they are to be carried out, its appends in
    /// the order of their indexes. `observer` hears when they are on disk.
    ///
    /// Ask ``isFull`` before a command runs: an entry that has its place in the log is taken in any case.
    public func write(_ changes: [LogChange], observer: (any DurabilityObserver)?) {
        queue.enqueue(changes.map { LogQueue.Item(change: $0, observer: observer) })
    }

    /// Queues entries.
    public func append(_ entries: [Append], observer: any DurabilityObserver) {
        write(entries.map { .append($0) }, observer: observer)
    }

    /// Forgets the slot's entries through `index`.
    public func trim(_ slot: Slot, through index: LogIndex) { write([.trim(slot, through: index)], observer: nil) }

    /// Queues changes and waits until they are on disk. Blocks; call it off the event loops.
    func writeAndWait(_ changes: [LogChange]) {
        guard let last = changes.last else { return }
        precondition(last.durability != nil, "a trim is not reported")
        let waiter = DurabilityWaiter()
        queue.enqueue(changes.dropLast().map { LogQueue.Item(change: $0) } + [.init(change: last, observer: waiter)])
        waiter.wait()
    }

    /// Writes what is queued, then ends the thread and lets go of the log. Blocks until then; call it off the event
    /// loops, when nothing is appended any more.
    public func stop() {
        queue.stop()
        thread.join()
    }
}

/// Ends the process with EX_IOERR after a failure of the store, at once: no destructor may touch the disk again.
public let endProcess: @Sendable (StorageFailure) -> Never = { failure in
    // A log that nobody reads must not keep the process from ending with its own code.
    try? FileHandle.standardError.write(contentsOf: Data("guildhall-node: cannot go on: \(failure)\n".utf8))
    _exit(74)
}

import Dispatch
import NIOCore
import Synchronization

/// The coordinator that the first router process keeps on its disk: for clusters on one machine (DESIGN §5).
///
/// The actor runs on a thread queue of its own, because every change waits for the disk. A change is acknowledged, and
/// seen by anybody, only after its record is synced. After a failed write or sync it serves nothing more.
public actor EmbeddedCoordinator: Coordinator {
    public struct Settings: Sendable {
        /// The journal is folded into a snapshot when it has at least this many bytes, and twice the snapshot's.
        public var compactionBytes = 4 * 1024 * 1024
        public var compactionRecords = 20_000
        /// How often leases are looked at.
        public var leaseInterval: Duration = .milliseconds(100)
        /// A process that was stopped for longer than this gives all leases their full time again.
        public var longestStall: Duration = .seconds(2)
        /// Watches that wait at once.
        public var maximumWaiting = 10_000

        public init() {}
    }

    private struct Waiting {
        var prefix: String
        var continuation: CheckedContinuation<Void, Never>
    }

    private let executor = QueueExecutor(label: "coordinator")
    private let settings: Settings
    private let clock: LeaseClock
    private let origin: Duration
    private let onDiskFailure: @Sendable (CoordinatorDiskFailure) -> Void
    private var state: EmbeddedCoordinatorState
    private var disk: CoordinatorDisk?
    private var unavailable: String?
    private var waiting: [UInt64: Waiting] = [:]
    private var lastWaiting: UInt64 = 0
    private var ticks: Task<Void, Never>?

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Opens the folder and replays what it holds; blocks while it does.
    ///
    /// - Parameters:
    ///   - clock: tells when leases end.
    ///   - onDiskFailure: called once when a write or sync failed: the process should end, and never retry.
    public init(
        directory: String, settings: Settings = Settings(), clock: LeaseClock = .system,
        onDiskFailure: @escaping @Sendable (CoordinatorDiskFailure) -> Void = { _ in }
    ) throws(CoordinatorDiskFailure) {
        let (disk, contents) = try CoordinatorDisk.open(directory)
        self.clock = clock
        origin = clock.now
        state = contents.snapshot.map { EmbeddedCoordinatorState($0, now: .zero) } ?? EmbeddedCoordinatorState()
        for (position, record) in contents.records.enumerated() {
            do throws(CoordinatorFailure) { try state.apply(record, now: .zero) } catch {
                throw .corrupt(
                    file: "journal", offset: 0, reason: "record \(position) does not follow the one before: \(error)")
            }
        }
        self.disk = disk
        self.settings = settings
        self.onDiskFailure = onDiskFailure
    }

    /// Begins to end leases; called by the first use.
    private func startTicks() {
        guard ticks == nil, unavailable == nil else { return }
        state.extendLeases(now: now)
        ticks = Task { [weak self, settings, clock] in
            while !Task.isCancelled {
                let expected = clock.now + settings.leaseInterval
                try? await Task.sleep(for: settings.leaseInterval, clock: .suspending)
                guard let self else { return }
                await self.tick(wasStalled: clock.now - expected > settings.longestStall)
            }
        }
    }

    private var now: Duration { clock.now - origin }

    private func tick(wasStalled: Bool) {
        // The nodes' calls of that time wait in the sockets, unread: nobody was late but this process.
        if wasStalled { state.extendLeases(now: now) }
        while unavailable == nil, let record = state.prepareExpiry(now: now) {
            do { try carryOut(record) } catch { return }
        }
    }

    /// Stops serving and closes the folder.
    public func close() {
        ticks?.cancel()
        unavailable = unavailable ?? "the coordinator is shutting down"
        disk = nil
        wake { _ in true }
    }

    // MARK: Coordinator

    public func get(_ key: String) throws(CoordinatorFailure) -> CoordinatorEntry? {
        try check()
        return state.get(key)
    }

    public func list(prefix: String) throws(CoordinatorFailure) -> CoordinatorListing {
        try check()
        return state.list(prefix: prefix)
    }

    public func commit(_ transaction: CoordinatorTransaction) throws(CoordinatorFailure) -> UInt64? {
        try check()
        switch try state.prepare(transaction, now: now) {
        case .refused: return nil
        case .unchanged: return state.revision
        case .record(let record):
            try carryOut(record)
            return state.revision
        }
    }

    /// The keys that hang on a lease.
    public func leasedKeys() -> Set<String> { state.leases.values.reduce(into: []) { $0.formUnion($1.keys) } }

    public func grantLease(_ duration: Duration) throws(CoordinatorFailure) -> CoordinatorLease {
        try check()
        let record = try state.prepareGrant(duration)
        try carryOut(record)
        guard case .grant(let id, let duration) = record else { throw .invalid("not a grant") }
        return CoordinatorLease(id: id, duration: duration)
    }

    public func keepAlive(_ lease: CoordinatorLease) throws(CoordinatorFailure) {
        try check()
        try state.keepAlive(lease.id, now: now)
    }

    public func revoke(_ lease: CoordinatorLease) throws(CoordinatorFailure) {
        try check()
        if let record = state.prepareRevoke(lease.id) { try carryOut(record) }
    }

    public nonisolated func watch(
        prefix: String, after revision: UInt64
    ) -> AsyncThrowingStream<CoordinatorChange, any Error> {
        // The stream holds no more than one batch: the history in the state is the buffer, and is bounded.
        let cursor = Cursor(after: revision)
        return AsyncThrowingStream { [weak self] in
            if let change = cursor.take() { return change }
            guard let self else { throw CoordinatorFailure.unavailable("the coordinator is gone") }
            guard let batch = try await self.nextChanges(prefix: prefix, after: cursor.after) else { return nil }
            return cursor.fill(batch)
        }
    }

    // MARK: Inside

    private func check() throws(CoordinatorFailure) {
        if let unavailable { throw .unavailable(unavailable) }
        startTicks()
    }

    /// Makes a prepared record durable, then true, then known.
    private func carryOut(_ record: CoordinatorRecord) throws(CoordinatorFailure) {
        do throws(CoordinatorDiskFailure) {
            try disk?.append(record)
        } catch {
            fail(error)
            throw .unavailable("\(error)")
        }
        let revision = state.revision
        try state.apply(record, now: now)
        if state.revision != revision {
            wake { waiting in
                ((try? state.changes(prefix: waiting.prefix, after: revision)) ?? []).isEmpty == false
            }
        }
        compactIfLarge()
    }

    private func compactIfLarge() {
        guard let length = disk?.journalLength, let records = disk?.journalRecords, let base = disk?.snapshotLength,
            records >= settings.compactionRecords || (length >= settings.compactionBytes && length >= 2 * base)
        else { return }
        do throws(CoordinatorDiskFailure) { try disk?.compact(to: state.snapshot) } catch { fail(error) }
    }

    private func fail(_ failure: CoordinatorDiskFailure) {
        guard unavailable == nil else { return }
        unavailable = "\(failure)"
        ticks?.cancel()
        wake { _ in true }
        onDiskFailure(failure)
    }

    /// For tests: the next write fails, as on a full disk.
    func failDisk() throws(CoordinatorDiskFailure) { try disk?.redirectJournal(to: "/dev/full") }

    private func wake(where concerns: (Waiting) -> Bool) {
        for (id, waiter) in waiting where concerns(waiter) {
            waiting[id] = nil
            waiter.continuation.resume()
        }
    }

    private func wake(_ id: UInt64) { waiting.removeValue(forKey: id)?.continuation.resume() }

    /// The changes after `revision`, waiting for one; `nil` when the task is cancelled.
    private func nextChanges(
        prefix: String, after revision: UInt64
    ) async throws(CoordinatorFailure) -> [CoordinatorChange]? {
        var seen = revision
        while true {
            try check()
            let changes = try state.changes(prefix: prefix, after: seen)
            if !changes.isEmpty { return changes }
            // What was looked through without a find need not be looked through again, nor be kept for this watch.
            seen = state.revision
            guard waiting.count < settings.maximumWaiting else { throw .unavailable("too many watches") }
            lastWaiting += 1
            let id = lastWaiting
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    if Task.isCancelled {
                        continuation.resume()
                    } else {
                        waiting[id] = Waiting(prefix: prefix, continuation: continuation)
                    }
                }
            } onCancel: {
                Task { await self.wake(id) }
            }
            if Task.isCancelled { return nil }
        }
    }
}

extension EmbeddedCoordinator {
    /// A watch's place in the history.
    private final class Cursor: Sendable {
        private struct Place {
            var batch: ArraySlice<CoordinatorChange> = []
            var after: UInt64
        }

        private let place: Mutex<Place>

        init(after: UInt64) { place = Mutex(Place(after: after)) }

        var after: UInt64 { place.withLock { $0.after } }

        func take() -> CoordinatorChange? { place.withLock { $0.batch.popFirst() } }

        /// - Parameter changes: whole revisions.
        func fill(_ changes: [CoordinatorChange]) -> CoordinatorChange? {
            place.withLock { place in
                place.batch = changes[...]
                place.after = changes.last?.revision ?? place.after
                return place.batch.popFirst()
            }
        }
    }
}

/// Runs an actor's jobs on a dispatch queue, where they may block.
private final class QueueExecutor: SerialExecutor {
    private let queue: DispatchQueue

    init(label: String) { queue = DispatchQueue(label: label) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}

import DequeModule
import Domain
import Identity
import Logging
import NIOCore
import Replication
import Storage
import Wire

/// An entry with what follows from it, ready to be applied.
struct PreparedEntry {
    var entry: Entry
    /// The rows that follow from the entry's own fields.
    var metaOperations: [Entry.Operation]
    var events: [Event]
    /// Only of entries that the slot's runtime has proposed.
    var work: [(key: [UInt8], work: Work)]
}

/// One slot on this node, whatever its part in it: its replication, the end of its log in memory, and its recent
/// events; and while this node is primary, its ``SlotRuntime``. Belongs to one ``SlotExecutor`` and is used on its event
/// loop only.
final class SlotReplica {
    private struct Held {
        var position: LogPosition
        var encoded: ByteBuffer
        /// Made when it is proposed, or when it is about to be applied.
        var prepared: PreparedEntry?
    }

    let slot: Slot
    unowned let executor: SlotExecutor
    let environment: SlotEnvironment
    var core: ReplicaSlot
    /// While this node is primary.
    var runtime: SlotRuntime?
    /// Of the entries that are written to the log from now on.
    private(set) var generation = LogGeneration.next()
    /// The log's last entries in order: all that are not applied, and on a primary some more, for its followers.
    private var held: Deque<Held> = []
    private var heldBytes = 0
    var ring: EventRing
    /// While a written batch's events go out, the state is ahead of them: the last number of its roots meanwhile.
    private var emitting: [RootEntity: EventNumber] = [:]
    /// The largest id minted in what is applied.
    private(set) var appliedMark: Snowflake
    /// Of the entries that were taken from a primary.
    var takenMark: Snowflake
    /// The last mark that was refused for this node's clock.
    var refusedMark: Snowflake?
    /// Those who wait for the rows at an index.
    private var awaitedRows: [AwaitedRows] = []
    private var lastAwaited: UInt64 = 0
    /// What the slot has cost here.
    var load = SlotLoad()
    /// The epoch of the last row that is on its way to the disk, and of the last that has reached it.
    var keptRow = Epoch.zero
    var durableRow = Epoch.zero
    /// The executor knows that followers may be owed something.
    var isDirty = false
    var isToApply = false

    init(slot: Slot, executor: SlotExecutor, environment: SlotEnvironment, recovered: RecoveredSlot) {
        self.slot = slot
        self.executor = executor
        self.environment = environment
        core = ReplicaSlot(
            slot: slot, node: environment.node, life: environment.life, disk: recovered.disk,
            limits: environment.limits.replication)
        core.wantedMinimum = environment.limits.wantedMinimum
        ring = recovered.ring
        appliedMark = recovered.applied.idMark
        takenMark = recovered.applied.idMark
        for (position, encoded) in recovered.pending { hold(position, encoded, nil) }
    }

    // MARK: The end of the log in memory

    func hold(_ position: LogPosition, _ encoded: ByteBuffer, _ prepared: PreparedEntry?) {
        held.append(Held(position: position, encoded: encoded, prepared: prepared))
        heldBytes += encoded.readableBytes
    }

    /// Forgets the entries from `index` on; what is written from now on is of another generation.
    func truncate(from index: LogIndex) {
        while let last = held.last, last.position.index >= index {
            heldBytes -= last.encoded.readableBytes
            held.removeLast()
        }
        generation = LogGeneration.next()
    }

    /// The encoded entries after `previous` through `through`; `nil` when some of them are not in memory.
    func heldEntries(after previous: LogPosition, through: LogIndex) -> [ByteBuffer]? {
        guard previous.index < through else { return [] }
        guard let first = held.first?.position.index, first <= previous.index.next, let last = held.last,
            last.position.index >= through
        else { return nil }
        let begin = Int(previous.index.rawValue + 1 - first.rawValue)
        let end = Int(through.rawValue + 1 - first.rawValue)
        return held[begin..<end].map(\.encoded)
    }

    private func trimHeld() {
        let limits = environment.limits
        let keeps = core.isPrimary
        while let first = held.first, first.position.index <= core.appliedIndex,
            !keeps || heldBytes > limits.heldBytes || held.count > limits.heldEntries
        {
            heldBytes -= first.encoded.readableBytes
            held.removeFirst()
        }
    }

    /// What lies above the applied index, decoded.
    ///
    /// - Throws: ``StorageFailure`` when an entry cannot be read.
    func unapplied() throws(StorageFailure) -> [Entry] {
        var entries: [Entry] = []
        for place in held.indices where held[place].position.index > core.appliedIndex {
            entries.append(try prepare(place).entry)
        }
        return entries
    }

    private func prepare(_ place: Int) throws(StorageFailure) -> PreparedEntry {
        if let prepared = held[place].prepared { return prepared }
        let index = held[place].position.index
        do {
            let entry = try Entry(decoding: held[place].encoded)
            let events = try entry.events.map { try Event(decoding: $0) }
            let prepared = PreparedEntry(
                entry: entry, metaOperations: MetaRows.operations(of: entry, roots: events.map(\.root)),
                events: events, work: [])
            held[place].prepared = prepared
            return prepared
        } catch {
            throw .corruptReplica(slot: slot, index: index, reason: "\(error)")
        }
    }

    // MARK: Applying

    private func place(of index: LogIndex) -> Int? {
        guard let first = held.first?.position.index, index >= first else { return nil }
        let place = Int(index.rawValue - first.rawValue)
        return place < held.count ? place : nil
    }

    /// Adds what is committed, on disk, and not applied to `batch`, up to so many entries.
    ///
    /// - Returns: through which entry, and for each root with an event in it the number of the event before, read while
    ///   the state is as before.
    func addCommitted(
        to batch: StateStore.Batch, atMost limit: Int
    ) throws(StorageFailure) -> (through: LogIndex, floors: [RootEntity: EventNumber])? {
        var through = min(
            core.commitIndex, core.durableIndex, LogIndex(rawValue: core.appliedIndex.rawValue + UInt64(limit)))
        // No further in one step than somebody wants to see the rows.
        for awaited in awaitedRows { through = min(through, awaited.index) }
        var index = core.appliedIndex.next
        guard index <= through else { return nil }
        var floors: [RootEntity: EventNumber] = [:]
        var last: Entry?
        while index <= through {
            guard let place = place(of: index) else {
                throw .corruptReplica(slot: slot, index: index, reason: "it is not in memory before it is applied")
            }
            let prepared = try prepare(place)
            for event in prepared.events where floors[event.root] == nil {
                floors[event.root] = try lastEvent(event.root)
            }
            try batch.add(prepared.entry.operations, of: slot)
            try batch.add(prepared.metaOperations, of: slot)
            appliedMark = max(appliedMark, prepared.entry.idMark)
            last = prepared.entry
            index = index.next
        }
        guard let last else { return nil }
        batch.setApplied(.init(epoch: last.epoch, index: last.index, idMark: appliedMark), of: slot)
        return (through, floors)
    }

    /// The batch is written: events and answers go out, in the order of the entries.
    func finishApplying(_ applying: (through: LogIndex, floors: [RootEntity: EventNumber]), now: BootTime) {
        emitting = applying.floors
        runtime?.beginApplying(through: applying.through, now: now)
        var hasBegun = false
        while core.appliedIndex < applying.through {
            guard let place = place(of: core.appliedIndex.next), let item = held[place].prepared else { break }
            held[place].prepared = nil
            if core.applied(through: item.entry.index) { hasBegun = true }
            for (ordinal, event) in item.events.enumerated() {
                let kept = EventRing.Kept(
                    number: EventNumber(index: item.entry.index, ordinal: UInt32(ordinal)), event: event,
                    encoded: item.entry.events[ordinal])
                ring.append(kept, root: event.root, time: item.entry.time, floor: emitting[event.root] ?? .zero)
                emitting[event.root] = kept.number
                // Committed events are true whoever is primary by now; their numbers say what has been seen.
                load.events &+= 1
                if runtime != nil { executor.hub.emit(kept, root: event.root, isDurable: true) }
            }
            if runtime != nil, case .guild(let guild)? = item.events.first?.root {
                executor.guildActivity.add(
                    guild, events: item.events.count, bytes: held[place].encoded.readableBytes, now: now)
            }
            runtime?.applied(item)
        }
        emitting = [:]
        trimHeld()
        runtime?.finishApplying(hasBegun: hasBegun)
    }

    // MARK: Rows at an index

    var hasAwaitedRows: Bool { !awaitedRows.isEmpty }

    func awaitRows(at index: LogIndex, _ complete: @escaping (HoldResult) -> Void) -> UInt64 {
        lastAwaited += 1
        awaitedRows.append(AwaitedRows(id: lastAwaited, index: index, complete: complete))
        return lastAwaited
    }

    /// Whoever waits for what is applied now.
    func takeReached() -> [(HoldResult) -> Void] {
        let reached = awaitedRows.filter { $0.index == core.appliedIndex }
        awaitedRows.removeAll { $0.index == core.appliedIndex }
        return reached.map(\.complete)
    }

    func giveUpRows(_ id: UInt64) {
        guard let place = awaitedRows.firstIndex(where: { $0.id == id }) else { return }
        awaitedRows.remove(at: place).complete(.behind(core.appliedIndex))
    }

    func abandonAwaitedRows(_ reason: String) {
        let all = awaitedRows
        awaitedRows = []
        for awaited in all { awaited.complete(.absent(reason)) }
    }

    // MARK: Events

    /// The number of the root's last event that has gone out; zero when there was none.
    func lastEvent(_ root: RootEntity) throws(StorageFailure) -> EventNumber {
        if let last = emitting[root] { return last }
        if let last = ring.last(root) { return last }
        let row = try environment.store.state.get(slot, .meta, MetaRows.lastEvent(root))
        guard let row else { return .zero }
        guard let number = MetaRows.eventNumber(row) else {
            throw .corruptReplica(slot: slot, index: nil, reason: "the last event's number of \(root) cannot be read")
        }
        return number
    }
}

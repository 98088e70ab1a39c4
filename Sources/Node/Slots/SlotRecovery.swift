import Domain
import Identity
import NIOCore
import Replication
import Storage
import Wire

/// A slot as its store has it, after the log is replayed as far as it is known to be committed (DESIGN §7).
struct RecoveredSlot: Sendable {
    var disk: ReplicaSlot.Disk
    var applied: StateStore.Applied
    /// Encoded entries that may or may not be committed.
    var pending: [(position: LogPosition, encoded: ByteBuffer)]
    var ring: EventRing

    /// A slot that was never here, or is not here any more.
    static func empty(_ limits: SlotLimits) -> RecoveredSlot {
        RecoveredSlot(disk: .empty, applied: .nothing, pending: [], ring: EventRing(limits: limits))
    }
}

/// Brings a slot up from disk. Blocks; run off the executors.
struct SlotRecovery: Sendable {
    let store: Store
    let limits: SlotLimits
    let now: Timestamp

    private struct Replay {
        var applied: StateStore.Applied
        var log: EpochSpans?
        var first: LogIndex?
        var ring: EventRing
        /// The number of each entity's last event in the ring, whether it still is there or not.
        var lastEvents: [RootEntity: EventNumber] = [:]
        /// Entries above the applied index, in order, that are not known to be committed yet.
        var open: [(entry: Entry, events: [Event])] = []
        var batch: StateStore.Batch
        var batched = 0
    }

    /// - Parameters:
    ///   - knownEpoch: what the disk remembers of the slot's row.
    ///   - isSole: nobody else holds the slot, so all that is on this disk is committed.
    /// - Throws: ``StorageFailure/corruptReplica(slot:index:reason:)`` when log and state do not fit together.
    func recover(_ slot: Slot, knownEpoch: Epoch?, isSole: Bool) throws -> RecoveredSlot {
        let applied = try store.state.applied(slot)
        var replay = Replay(applied: applied, ring: EventRing(limits: limits), batch: store.state.makeBatch())
        try store.log.entries(slot, from: .zero) { entry in
            try take(entry, isSole: isSole, into: &replay)
            return true
        }
        if replay.batched > 0 { try store.state.write(replay.batch) }
        replay.ring.expire(now: now)
        let start = LogPosition(epoch: replay.applied.epoch, index: replay.applied.index)
        let log = replay.log ?? EpochSpans(base: start)
        guard log.last.index >= replay.applied.index else {
            throw StorageFailure.corruptReplica(
                slot: slot, index: log.last.index,
                reason: "the log ends before entry \(replay.applied.index), which is applied")
        }
        // A version that noted no epochs knew no replicas: it was the slot's only node.
        let isFirstVersions = isSole && log.last.index > .zero
        return RecoveredSlot(
            disk: ReplicaSlot.Disk(
                log: log, appliedIndex: replay.applied.index, commitIndex: replay.applied.index,
                knownEpoch: knownEpoch ?? (isFirstVersions ? log.last.epoch : nil)),
            applied: replay.applied, pending: try pending(slot, after: replay.applied.index), ring: replay.ring)
    }

    /// As they were written: a newer version may have said more in them than this one reads.
    private func pending(_ slot: Slot, after applied: LogIndex) throws -> [(LogPosition, ByteBuffer)] {
        try store.log.rawEntries(slot, from: applied.next, maximumBytes: .max).map { ($0.position, $0.encoded) }
    }

    private func take(_ entry: Entry, isSole: Bool, into replay: inout Replay) throws {
        let position = LogPosition(epoch: entry.epoch, index: entry.index)
        try extend(&replay.log, with: position, entry.slot, applied: replay.applied)
        let first = replay.first ?? entry.index
        replay.first = first
        let events: [Event]
        do { events = try entry.events.map { try Event(decoding: $0) } } catch {
            throw StorageFailure.corruptReplica(slot: entry.slot, index: entry.index, reason: "an event: \(error)")
        }
        if entry.index <= replay.applied.index {
            addToRing(entry, events, first, &replay)
            return
        }
        replay.open.append((entry, events))
        let committed = isSole ? entry.index : entry.commitIndex
        let count = replay.open.prefix { $0.entry.index <= committed }.count
        for item in replay.open.prefix(count) {
            try replay.batch.add(item.entry.operations, of: entry.slot)
            try replay.batch.add(MetaRows.operations(of: item.entry, roots: item.events.map(\.root)), of: entry.slot)
            replay.applied = StateStore.Applied(
                epoch: item.entry.epoch, index: item.entry.index,
                idMark: max(replay.applied.idMark, item.entry.idMark))
            replay.batch.setApplied(replay.applied, of: entry.slot)
            replay.batched += 1
            addToRing(item.entry, item.events, first, &replay)
        }
        replay.open.removeFirst(count)
        if replay.batched >= limits.replayBatch {
            try store.state.write(replay.batch)
            replay.batch = store.state.makeBatch()
            replay.batched = 0
        }
    }

    /// The log's entries must follow each other, and the first must follow or overlap what is applied.
    private func extend(
        _ log: inout EpochSpans?, with position: LogPosition, _ slot: Slot, applied: StateStore.Applied
    ) throws {
        guard var spans = log else {
            if position.index.rawValue == 1 {
                log = EpochSpans(base: .start)
                log?.append(position)
            } else if position.index == applied.index.next {
                log = EpochSpans(base: LogPosition(epoch: applied.epoch, index: applied.index))
                log?.append(position)
            } else if position.index <= applied.index {
                // What lies before it is trimmed, and with it that entry's epoch: this one is the base.
                log = EpochSpans(base: position)
            } else {
                throw StorageFailure.corruptReplica(
                    slot: slot, index: position.index,
                    reason: "it is applied through \(applied.index), but its log goes on with this entry")
            }
            return
        }
        guard position.index == spans.last.index.next, position.epoch >= spans.last.epoch else {
            throw StorageFailure.corruptReplica(
                slot: slot, index: position.index, reason: "it does not follow entry \(spans.last) in the log")
        }
        log = nil
        spans.append(position)
        log = spans
    }

    private func addToRing(_ entry: Entry, _ events: [Event], _ first: LogIndex, _ replay: inout Replay) {
        for (ordinal, event) in events.enumerated() {
            let number = EventNumber(index: entry.index, ordinal: UInt32(ordinal))
            // What came before the log's first entry is not known: it counts as gone.
            let floor = EventNumber(index: LogIndex(rawValue: first.rawValue - 1), ordinal: .max)
            let last = replay.lastEvents.updateValue(number, forKey: event.root)
            replay.ring.append(
                EventRing.Kept(number: number, event: event, encoded: entry.events[ordinal]), root: event.root,
                time: entry.time, floor: last ?? floor)
        }
    }
}

/// What the state holds for a slot's runtime, as of what is applied.
struct RuntimeRows {
    /// Effects that are not acknowledged: for each destination the first and the last number.
    var outbox: [Slot: (first: UInt64, last: UInt64)] = [:]
    /// The last number given for each destination.
    var outboxLast: [Slot: UInt64] = [:]
    var work: [(key: [UInt8], work: Work)] = []

    /// - Throws: ``StorageFailure``.
    init(of slot: Slot, in state: StateStore) throws {
        let (lastFrom, lastUpTo) = MetaRows.allOutboxLast
        try state.scan(slot, .meta, from: lastFrom, upTo: lastUpTo) { key, value in
            outboxLast[MetaRows.outboxDestination(key)] = MetaRows.number(value)
            return true
        }
        let (outboxFrom, outboxUpTo) = MetaRows.allOutbox
        try state.scan(slot, .meta, from: outboxFrom, upTo: outboxUpTo) { key, _ in
            let number = MetaRows.outboxNumber(key)
            outbox[MetaRows.outboxDestination(key), default: (number, number)].last = number
            return true
        }
        let (workFrom, workUpTo) = MetaRows.allWork
        try state.scan(slot, .meta, from: workFrom, upTo: workUpTo) { key, value in
            do {
                work.append((key, try Work(decoding: value)))
            } catch {
                throw StorageFailure.corruptReplica(slot: slot, index: nil, reason: "scheduled work: \(error)")
            }
            return true
        }
    }
}

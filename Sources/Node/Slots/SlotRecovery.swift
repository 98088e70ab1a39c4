import Domain
import Identity
import NIOCore
import Replication
import Storage
import Wire

/// A slot as its store has it, after the log above the applied index is replayed (DESIGN §7).
struct RecoveredSlot: Sendable {
    var applied: StateStore.Applied
    /// Names this life of the slot's data; `nil` when the slot is new.
    var incarnation: UInt64?
    /// Effects that are not acknowledged: for each destination the first and the last number.
    var outbox: [Slot: (first: UInt64, last: UInt64)]
    /// The last number given for each destination.
    var outboxLast: [Slot: UInt64]
    var work: [(key: [UInt8], work: Work)]
    var ring: EventRing
}

/// Brings a slot up from disk. Blocks; run off the executors.
struct SlotRecovery: Sendable {
    let store: Store
    let limits: SlotLimits
    let now: Timestamp

    /// - Throws: ``StorageFailure/corrupt(_:)`` when log and state do not fit together,
    ///   ``StorageFailure/corruptReplica(slot:index:reason:)`` when the slot's data cannot be read, or could not before.
    func recover(_ slot: Slot) throws -> RecoveredSlot {
        if let marker = try store.log.markers()[slot] {
            throw StorageFailure.corruptReplica(slot: slot, index: nil, reason: "it is marked \(marker)")
        }
        var applied = try store.state.applied(slot)
        var ring = EventRing(limits: limits)
        var batch = store.state.makeBatch()
        var batched = 0
        var first: LogIndex?
        // All entries that are still in the log: those at most as old as the ring refill it, those above the applied
        // index are applied. With an in-sync set of one, whatever is durable here is committed.
        try store.log.entries(slot, from: .zero) { entry in
            if first == nil { first = entry.index }
            let events = try entry.events.map { encoded -> Event in
                do { return try Event(decoding: encoded) } catch {
                    throw StorageFailure.corrupt("an event of entry \(entry.index) of slot \(slot): \(error)")
                }
            }
            for (ordinal, event) in events.enumerated() {
                let number = EventNumber(index: entry.index, ordinal: UInt32(ordinal))
                // What came before the first entry is not known: it counts as gone.
                let floor = EventNumber(index: LogIndex(rawValue: (first ?? entry.index).rawValue - 1), ordinal: .max)
                ring.append(
                    EventRing.Kept(number: number, event: event, encoded: entry.events[ordinal]), root: event.root,
                    time: entry.time, floor: floor)
            }
            guard entry.index > applied.index else { return true }
            guard entry.index == applied.index.next else {
                throw StorageFailure.corrupt(
                    "slot \(slot) is applied through \(applied.index), but its log goes on with \(entry.index)")
            }
            try batch.add(entry.operations, of: slot)
            try batch.add(MetaRows.operations(of: entry, roots: events.map(\.root)), of: slot)
            applied = StateStore.Applied(epoch: entry.epoch, index: entry.index, idMark: entry.idMark)
            batch.setApplied(applied, of: slot)
            batched += 1
            if batched == limits.replayBatch {
                try store.state.write(batch)
                batch = store.state.makeBatch()
                batched = 0
            }
            return true
        }
        if batched > 0 { try store.state.write(batch) }
        ring.expire(now: now)
        var recovered = RecoveredSlot(
            applied: applied, incarnation: nil, outbox: [:], outboxLast: [:], work: [], ring: ring)
        try readRows(slot, into: &recovered)
        return recovered
    }

    private func readRows(_ slot: Slot, into recovered: inout RecoveredSlot) throws {
        recovered.incarnation = try store.state.get(slot, .meta, MetaRows.incarnation).flatMap { MetaRows.number($0) }
        let (lastFrom, lastUpTo) = MetaRows.allOutboxLast
        try store.state.scan(slot, .meta, from: lastFrom, upTo: lastUpTo) { key, value in
            recovered.outboxLast[MetaRows.outboxDestination(key)] = MetaRows.number(value)
            return true
        }
        let (outboxFrom, outboxUpTo) = MetaRows.allOutbox
        try store.state.scan(slot, .meta, from: outboxFrom, upTo: outboxUpTo) { key, _ in
            let number = MetaRows.outboxNumber(key)
            recovered.outbox[MetaRows.outboxDestination(key), default: (number, number)].last = number
            return true
        }
        let (workFrom, workUpTo) = MetaRows.allWork
        try store.state.scan(slot, .meta, from: workFrom, upTo: workUpTo) { key, value in
            do {
                recovered.work.append((key, try Work(decoding: value)))
            } catch {
                throw StorageFailure.corrupt("work of slot \(slot): \(error)")
            }
            return true
        }
    }
}

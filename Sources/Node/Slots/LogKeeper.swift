import Identity
import Storage

/// Decides what of the log may go, and when the state is flushed (DESIGN §7).
///
/// An entry goes when it is applied on disk and has been applied for the retention time, so that gateways' rings can
/// be filled again after a restart. A value without I/O: ``next(applied:now:)`` gives the work.
struct LogKeeper {
    private struct Mark {
        var time: ContinuousClock.Instant
        var index: LogIndex
    }

    /// What is to be done now; blocks.
    struct Work: Sendable {
        /// Slots and the indexes through which they have been applied for the retention time.
        var trims: [Slot: LogIndex]
        var flushes: Bool
        /// What followers still need; it counts as long as the slot's log is not too large.
        var trimLimits: [Slot: LogIndex]
        var keptForFollowers: Int

        /// - Returns: how far each slot's log is trimmed.
        func run(_ store: Store, _ writer: LogWriter) throws(StorageFailure) -> [Slot: LogIndex] {
            if flushes { try store.flush(writer) }
            var trimmed: [Slot: LogIndex] = [:]
            let held = trims.filter { trimLimits[$0.key] ?? $0.value < $0.value }
            let sizes = held.isEmpty ? [:] : try store.log.sizes(held.keys.sorted())
            for (slot, index) in trims {
                var through = min(index, try store.state.persistedApplied(slot).index)
                if let limit = trimLimits[slot], sizes[slot] ?? 0 <= keptForFollowers { through = min(through, limit) }
                guard through > .zero else { continue }
                writer.trim(slot, through: through)
                trimmed[slot] = through
            }
            return trimmed
        }
    }

    private let limits: SlotLimits
    private var marks: [Slot: [Mark]] = [:]
    private var lastFlush: ContinuousClock.Instant?
    private var hasChanged = false
    private var trimmed: [Slot: LogIndex] = [:]

    init(limits: SlotLimits) { self.limits = limits }

    mutating func next(
        applied: [Slot: LogIndex], trimLimits: [Slot: LogIndex] = [:], now: ContinuousClock.Instant
    ) -> Work {
        var trims: [Slot: LogIndex] = [:]
        for (slot, index) in applied {
            if marks[slot]?.last?.index != index {
                marks[slot, default: []].append(Mark(time: now, index: index))
                hasChanged = true
            }
            let old = marks[slot]?.prefix { now - $0.time >= limits.logRetention } ?? []
            guard let last = old.last else { continue }
            if trimmed[slot] ?? .zero < last.index { trims[slot] = last.index }
            // The newest of the old ones stays: how far may be trimmed once it is flushed.
            marks[slot]?.removeFirst(old.count - 1)
        }
        let begin = lastFlush ?? now
        lastFlush = begin
        let flushes = hasChanged && now - begin >= limits.stateFlushing
        if flushes {
            lastFlush = now
            hasChanged = false
        }
        return Work(
            trims: trims, flushes: flushes, trimLimits: trimLimits, keptForFollowers: limits.logKeptForFollowers)
    }

    /// What ``Work/run(_:_:)`` returned.
    mutating func done(_ trimmed: [Slot: LogIndex]) { self.trimmed.merge(trimmed) { max($0, $1) } }
}

extension ExecutorReport {
    mutating func add(_ other: ExecutorReport) {
        ringEvents += other.ringEvents
        ringBytes += other.ringBytes
        pendingCommands += other.pendingCommands
        serving += other.serving
        applied.merge(other.applied) { first, _ in first }
        trimLimits.merge(other.trimLimits) { first, _ in first }
        slots += other.slots
        guilds += other.guilds
    }

    func record(_ environment: SlotEnvironment) {
        let metrics = environment.metrics
        metrics.ringEvents.record(ringEvents)
        metrics.ringBytes.record(ringBytes)
        metrics.pendingCommands.record(pendingCommands)
        metrics.slotsServed.record(serving)
        metrics.logQueueBytes.record(environment.writer.queuedBytes)
    }
}

import Identity
import Replication

/// A node's disk. Log changes are queued, written in batches and synced; a crash keeps a part of the batch that is under
/// way and nothing of what waits. The state is flushed for all slots at once.
struct ModelDisk {
    struct SlotFiles {
        /// Before the first entry of the log.
        var base = LogPosition.start
        var log: [ModelEntry] = []
        var flushed: SlotModel
        var knownEpoch: Epoch?
        /// A snapshot is being taken in: what is here is not whole.
        var isIngesting = false

        var last: LogPosition { log.last?.position ?? base }
        var isEmpty: Bool { log.isEmpty && base == .start && knownEpoch == nil && flushed.applied == .start }

        func entry(at index: LogIndex) -> ModelEntry? {
            guard index > base.index, index <= last.index else { return nil }
            return log[Int(index.rawValue - base.index.rawValue) - 1]
        }

        mutating func trim(through index: LogIndex) {
            guard index > base.index, let entry = entry(at: index) else { return }
            log.removeFirst(Int(index.rawValue - base.index.rawValue))
            base = entry.position
        }
    }

    enum Change {
        case append([ModelEntry])
        case truncate(LogIndex)
        case note(Epoch)
        case install(SlotModel)
    }

    struct Item {
        var host: SlotHost
        var change: Change
        var generation: UInt64
    }

    let slots: Int
    var files: [SlotFiles]
    var waiting: [Item] = []
    var writing: [Item] = []
    /// What a disk that skips its fsync has only said to be written.
    private var unsynced: [Item] = []
    /// Writes end no sooner: the device stalls.
    var stalledUntil: Int64 = 0
    /// The next write fails.
    var isFailing = false

    init(slots: Int) {
        self.slots = slots
        files = Array(repeating: SlotFiles(flushed: SlotModel(slots: slots)), count: slots)
    }

    mutating func clear(_ slot: Int) { files[slot] = SlotFiles(flushed: SlotModel(slots: slots)) }

    mutating func perform(_ item: Item) {
        guard !item.host.isDropped else { return }
        let slot = item.host.slot
        switch item.change {
        case .append(let entries):
            for entry in entries where entry.position.index == files[slot].last.index.next {
                files[slot].log.append(entry)
            }
        case .truncate(let index):
            let kept = Int(index.rawValue) - Int(files[slot].base.index.rawValue) - 1
            if kept < files[slot].log.count { files[slot].log.removeLast(files[slot].log.count - max(0, kept)) }
        case .note(let epoch): files[slot].knownEpoch = max(epoch, files[slot].knownEpoch ?? .zero)
        case .install(let state):
            clear(slot)
            files[slot].base = state.applied
            files[slot].flushed = state
        }
    }

    /// A batch is written and synced.
    mutating func write(_ items: [Item]) {
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .skipFsync {
                unsynced += items
                return
            }
        #endif
        for item in items { perform(item) }
    }

    mutating func syncUnsynced() {
        for item in unsynced { perform(item) }
        unsynced = []
    }

    /// The process ends. Of the batch under way, a part from its beginning is on the device.
    mutating func crash(_ random: inout SeededRandom) {
        if !writing.isEmpty {
            let whole = random.integer(0...writing.count)
            for item in writing.prefix(whole) { perform(item) }
            // The last write is torn: some of its entries are whole.
            if whole < writing.count, case .append(let entries) = writing[whole].change {
                var torn = writing[whole]
                torn.change = .append(Array(entries.prefix(random.integer(0...entries.count))))
                perform(torn)
            }
        }
        waiting = []
        writing = []
        unsynced = []
        for slot in files.indices where files[slot].isIngesting { clear(slot) }
    }
}

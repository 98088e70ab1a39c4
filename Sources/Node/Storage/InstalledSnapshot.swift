import Identity
import NIOCore
import Replication
import Synchronization
import Wire

/// A snapshot that was installed and is not flushed yet: a note of the `log` instance, because that one is synced.
///
/// A flush of the `state` brings all families to disk, and makes the compactions that follow rewrite what has nothing to
/// do with the slot. During a rebalance slots come several a second: so none is flushed by itself. What the note says is
/// done again when the store is opened and the flush had not come.
struct InstalledSnapshot: Hashable, FieldCodable {
    var head: SlotSnapshot.Head
    /// ``SnapshotRows``; `nil` when the rows came in files, which are on disk once RocksDB has taken them.
    var rows: ByteBuffer?

    init(head: SlotSnapshot.Head, rows: ByteBuffer?) {
        self.head = head
        self.rows = rows
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, head)
        if let rows { writer.write(2, rows) }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var head: SlotSnapshot.Head?
        while let field = try reader.next() {
            switch field.number {
            case 1: head = try field.message()
            case 2: rows = try field.bytes()
            default: break
            }
        }
        self.head = try head.required(1)
    }

    /// The rows, if they are here, and the applied index, as one unit.
    func write(to state: StateStore) throws(StorageFailure) {
        let batch = state.makeBatch()
        if let rows { try SnapshotRows.add(rows, of: head.slot, to: batch) }
        batch.setApplied(head.applied, of: head.slot)
        try state.write(batch)
    }
}

/// The slots of this process that have an ``InstalledSnapshot`` in the log.
///
/// A note goes once a flush that began after it has ended, unless the slot has been cleared or has got another since.
final class UnflushedSnapshots: Sendable {
    private struct Notes {
        var last: UInt64 = 0
        var bySlot: [Slot: UInt64] = [:]
    }

    private let notes = Mutex(Notes())

    /// The slot's note is on disk.
    func insert(_ slot: Slot) {
        notes.withLock {
            $0.last += 1
            $0.bySlot[slot] = $0.last
        }
    }

    /// The slot is about to be cleared, which takes its note with it. Call it before that is queued.
    func remove(_ slot: Slot) { notes.withLock { $0.bySlot[slot] = nil } }

    /// Runs a flush, and forgets the notes that it has made needless.
    func flushing(_ writer: LogWriter, _ flush: () throws(StorageFailure) -> Void) throws(StorageFailure) {
        let before = notes.withLock { $0.bySlot }
        try flush()
        guard !before.isEmpty else { return }
        notes.withLock { notes in
            // Queued under the lock: whatever clears the slot or notes another snapshot comes behind it.
            let done = before.filter { slot, number in notes.bySlot[slot] == number }.keys.sorted()
            writer.write(done.map { .forgetSnapshot($0) }, observer: nil)
            for slot in done { notes.bySlot[slot] = nil }
        }
    }
}

extension Store {
    /// Flushes the state. Blocks.
    ///
    /// - Throws: ``StorageFailure``.
    public func flush(_ writer: LogWriter) throws(StorageFailure) {
        try state.unflushed.flushing(writer) { () throws(StorageFailure) in try state.flush() }
    }

    /// Does again what a crash has taken of installed snapshots, before anything uses the store.
    static func completeInstalled(_ log: LogStore, _ state: StateStore) throws(StorageFailure) {
        let installed = try log.installedSnapshots()
        guard !installed.isEmpty else { return }
        for snapshot in installed where try state.persistedApplied(snapshot.head.slot) == .nothing {
            try snapshot.write(to: state)
        }
        try state.flush()
        let batch = log.makeBatch()
        for snapshot in installed { batch.add(.forgetSnapshot(snapshot.head.slot)) }
        try log.write(batch)
    }
}

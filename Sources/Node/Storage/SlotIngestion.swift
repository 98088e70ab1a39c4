import Domain
import Foundation
import Identity
import NIOCore
import Replication
import Synchronization

/// Installs a snapshot of a slot that another node sends (DESIGN §6.9).
///
/// First all parts are received and compared with their checksums; nothing of the slot has changed until then, and what
/// this node had of it is still there if the sender dies. Then ``install(parts:)`` puts them in the place of what was
/// there: a synced marker, and with it the log is cleared; the rows are cleared, and that is flushed if there were any;
/// each family takes its files, all in one call, since each call holds up the store's writes; rows that came without files
/// are written, and the applied index; an ``InstalledSnapshot`` is noted and the marker goes, synced. A crash in between
/// leaves the marker, and the store wipes the slot when it is opened next; a crash before the next flush leaves the note.
///
/// One at a time on a store. Used by one task at a time; calls block, so make them off the event loops.
public final class SlotIngestion: Sendable {
    /// The steps of ``install(parts:)``, each when it is on disk.
    enum Step: String, CaseIterable, Codable, Sendable { case marked, cleared, ingested, applied, ready }

    /// The largest part that is taken, in bytes.
    public static let maximumPartBytes = 1 << 30

    public let head: SlotSnapshot.Head
    private let store: Store
    private let writer: LogWriter
    private let folder: String
    private let reception: Mutex<SnapshotReception>

    init(_ head: SlotSnapshot.Head, store: Store, writer: LogWriter, folder: String) throws(StorageFailure) {
        self.head = head
        self.store = store
        self.writer = writer
        self.folder = folder
        reception = Mutex(SnapshotReception(slot: head.slot, folder: folder))
        do {
            // A former reception of this process may have been cut off.
            if FileManager.default.fileExists(atPath: folder) { try FileManager.default.removeItem(atPath: folder) }
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw .snapshotFailed(slot: head.slot, reason: "\(folder): \(error)")
        }
    }

    deinit { close() }

    /// The next part follows.
    ///
    /// - Throws: ``StorageFailure/snapshotFailed(slot:reason:)`` when it is not the next one, too large, or of a family
    ///   that this version does not know.
    public func begin(_ part: SlotSnapshot.Part) throws { try reception.withLock { try $0.begin(part) } }

    /// Bytes of the part that was begun last.
    ///
    /// - Returns: whether it is whole now.
    /// - Throws: ``StorageFailure/snapshotFailed(slot:reason:)`` when there are more than were announced, or other ones.
    public func write(_ bytes: ByteBuffer) throws -> Bool { try reception.withLock { try $0.write(bytes) } }

    /// Puts the snapshot in the place of what this store has of the slot. Nobody else may use the slot meanwhile, and
    /// none of its entries may be on their way to the log.
    ///
    /// - Parameter parts: how many the sender has sent.
    /// - Returns: how far the slot is applied now; its log is empty.
    /// - Throws: ``StorageFailure``; ``StorageFailure/snapshotFailed(slot:reason:)`` when not all parts are here.
    public func install(parts: Int) throws -> StateStore.Applied { try install(parts: parts) { _ in } }

    func install(parts: Int, reached: (Step) -> Void) throws -> StateStore.Applied {
        let (files, rows) = try reception.withLock { try $0.finish(parts: parts) }
        let slot = head.slot
        store.state.unflushed.remove(slot)
        // An epoch of zero: from here on this disk may not stand for the slot until it is told that it may.
        writer.writeAndWait([.clear(slot, generation: .next()), .know(slot, .zero), .mark(slot, .ingesting)])
        reached(.marked)
        try store.state.clear([slot])
        reached(.cleared)
        let installed = InstalledSnapshot(head: head, rows: rows)
        do {
            for (family, paths) in files { try store.state.ingest(paths, family) }
            reached(.ingested)
            try installed.write(to: store.state)
        } catch {
            // RocksDB does not take a file. If that is because its own writes fail, so do these, and the process ends.
            try store.state.clear([slot])
            writer.writeAndWait([.mark(slot, nil)])
            throw StorageFailure.snapshotFailed(slot: slot, reason: "\(error)")
        }
        reached(.applied)
        writer.writeAndWait([.keepSnapshot(slot, installed.encoded()), .mark(slot, nil)])
        store.state.unflushed.insert(slot)
        reached(.ready)
        close()
        return head.applied
    }

    /// Lets go of the files and of the store's one place for ingestions. What is not installed by now never will be.
    public func close() {
        let isFirst = reception.withLock { $0.close() }
        guard isFirst else { return }
        // What cannot be removed now goes when the store is opened next.
        try? FileManager.default.removeItem(atPath: folder)
        store.state.endIngestion()
    }
}

extension Store {
    /// Begins to receive a snapshot.
    ///
    /// - Returns: `nil` while another one is received or installed: they hold up the store's writes, so there is one at a
    ///   time.
    /// - Throws: ``StorageFailure``.
    public func ingest(_ head: SlotSnapshot.Head, writer: LogWriter) throws(StorageFailure) -> SlotIngestion? {
        guard state.beginIngestion() else { return nil }
        do {
            return try SlotIngestion(
                head, store: self, writer: writer, folder: "\(state.incomingFolder)/\(head.slot)")
        } catch {
            state.endIngestion()
            throw error
        }
    }

    /// Deletes all that the store has of slots: replicas that are dropped. Nobody else may use them meanwhile. Blocks.
    ///
    /// - Parameter hasBroken: whether some have blocks that cannot be read: these are to go now, and not to stop a later
    ///   compaction.
    /// - Throws: ``StorageFailure``.
    public func delete(_ slots: [Slot], writer: LogWriter, hasBroken: Bool = false) throws(StorageFailure) {
        for slot in slots { state.unflushed.remove(slot) }
        // An epoch of zero: from here on this disk has never held them.
        writer.writeAndWait(
            slots.flatMap { [.clear($0, generation: .next()), .know($0, .zero), .mark($0, .deleting)] })
        try state.clear(slots, compacting: hasBroken)
        writer.writeAndWait(slots.map { .mark($0, nil) })
    }

    /// Finishes what a crash has interrupted, before anything uses the store.
    ///
    /// - Returns: the slots that were wiped.
    static func wipeMarked(_ log: LogStore, _ state: StateStore) throws(StorageFailure) -> [Slot] {
        let marked = try log.markers().filter(\.value.isWipedAtStart).keys.sorted()
        guard !marked.isEmpty else { return [] }
        try state.clear(marked)
        let batch = log.makeBatch()
        for slot in marked {
            batch.add(.clear(slot, generation: .initial))
            batch.add(.mark(slot, nil))
        }
        try log.write(batch)
        return marked
    }
}

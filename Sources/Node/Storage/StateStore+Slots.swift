import CRocksDB
import Domain
import Foundation
import Identity
import Replication

/// What is done to a slot as a whole.
extension StateStore {
    /// Deletes all rows of the slots, their applied indices among them, brings that to disk, and frees their space.
    /// Blocks.
    ///
    /// What it costs hangs little on how many they are: the flush is of all families. The space of small ones comes with
    /// the next compaction that has other reasons: one of our own would rewrite what other slots have beside them.
    ///
    /// - Parameter compacting: whether the space of small ones is freed as well.
    func clear(_ slots: [Slot], compacting: Bool = false) throws(StorageFailure) {
        var filled: [(family: Family, slot: Slot)] = []
        var isOnDisk = false
        for slot in slots {
            for family in Family.allCases where try !database.isEmpty(handle(family), slot) {
                filled.append((family, slot))
            }
            if !isOnDisk { isOnDisk = try persistedApplied(slot) != .nothing }
        }
        // Without a tombstone in their way, the files of a snapshot go straight to the lowest level.
        guard !filled.isEmpty else {
            if isOnDisk { try flush() }
            return
        }
        let batch = makeBatch()
        for (family, slot) in filled { batch.clear(family, slot) }
        try write(batch)
        let cleared = rocksdb_get_latest_sequence_number(database.handle)
        try flush()
        // Files that hold nothing else go at once, but not while somebody may read older rows: a file that is dropped is
        // gone for snapshots too. What is left is in the upper level, or shares files with other slots.
        let isUnread = try database.oldestSnapshot() ?? cleared >= cleared
        if isUnread {
            for (family, slot) in filled { try database.dropFiles(handle(family), slot) }
        }
        for family in Family.allCases {
            let slots = filled.filter { $0.family == family }.map(\.slot)
            let left = try database.approximateSizes(handle(family), slots)
            for slot in slots where compacting || left[slot] ?? 0 >= StateStore.reclaimedBytes {
                database.compact(handle(family), slot)
            }
        }
    }

    /// From how many bytes of a family on a cleared slot's space is freed at once: as many as one of RocksDB's files has.
    /// Of less, a compaction would rewrite more of other slots than it frees.
    private static let reclaimedBytes = 64 << 20

    /// Takes SST files into a family. They must hold keys that the family has no rows of.
    func ingest(_ paths: [String], _ family: Family) throws(StorageFailure) {
        try remembering { () throws(StorageFailure) in try database.ingest(paths, handle(family)) }
    }

    /// About how many bytes the slots' rows take in files, over all families; what is still in memory does not count.
    ///
    /// - Throws: ``StorageFailure``.
    public func sizes(_ slots: [Slot]) throws(StorageFailure) -> [Slot: Int] {
        var sizes: [Slot: Int] = [:]
        for family in Family.allCases {
            sizes.merge(try database.approximateSizes(handle(family), slots), uniquingKeysWith: +)
        }
        return sizes
    }

    /// Takes the one place for ingestions, when it is free.
    func beginIngestion() -> Bool { !isIngesting.exchange(true, ordering: .acquiringAndReleasing) }
    func endIngestion() { isIngesting.store(false, ordering: .releasing) }
}

extension Family {
    /// The name of its column family in a store; stays the same over versions.
    var columnFamily: String { "\(self)" }

    init?(columnFamily: String) {
        guard let family = Family.allCases.first(where: { $0.columnFamily == columnFamily }) else { return nil }
        self = family
    }
}

extension RocksDB {
    /// - Parameter moving: whether the files go; they lie on the instance's file system.
    func ingest(_ paths: [String], _ family: OpaquePointer, moving: Bool = true) throws(StorageFailure) {
        let options = rocksdb_ingestexternalfileoptions_create()
        defer { rocksdb_ingestexternalfileoptions_destroy(options) }
        // A link, no copy. RocksDB syncs the file itself.
        rocksdb_ingestexternalfileoptions_set_move_files(options, moving ? 1 : 0)
        // What was deleted before lies in the way, in number: the new rows come after it.
        rocksdb_ingestexternalfileoptions_set_allow_global_seqno(options, 1)
        rocksdb_ingestexternalfileoptions_set_allow_blocking_flush(options, 1)
        rocksdb_ingestexternalfileoptions_set_snapshot_consistency(options, 1)
        let texts = paths.map { path in path.withCString { strdup($0) } }
        defer { for text in texts { free(text) } }
        try RocksDB.checked {
            rocksdb_ingest_external_file_cf(
                handle, family, texts.map { UnsafePointer($0) }, texts.count, options, $0)
        }
    }

    /// The sequence number that the oldest open snapshot sees; `nil` when none is open.
    func oldestSnapshot() throws(StorageFailure) -> UInt64? {
        var count: UInt64 = 0
        var oldest: UInt64 = 0
        guard rocksdb_property_int(handle, "rocksdb.num-snapshots", &count) == 0,
            rocksdb_property_int(handle, "rocksdb.oldest-snapshot-sequence", &oldest) == 0
        else { throw .rocksDB("it does not tell its open snapshots") }
        return count == 0 ? nil : oldest
    }

    /// Whether the family has no rows of the slot. A block that cannot be read counts as one.
    func isEmpty(_ family: OpaquePointer, _ slot: Slot) throws(StorageFailure) -> Bool {
        var isEmpty = true
        do {
            try scan(family, slot: slot, from: [], upTo: nil, reverse: false, snapshot: nil) { _, _ in
                isEmpty = false
                return false
            }
        } catch StorageFailure.corruptReplica {
            return false
        } catch {
            throw error as? StorageFailure ?? .rocksDB("\(error)")
        }
        return isEmpty
    }

    /// Puts the slot's files together, beside other compactions: what was deleted is gone after that. Blocks.
    func compact(_ family: OpaquePointer, _ slot: Slot) {
        let options = rocksdb_compactoptions_create()
        defer { rocksdb_compactoptions_destroy(options) }
        rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0)
        RowKey.start(of: slot).withBytes { start in
            RowKey.end(of: slot).withBytes { end in
                rocksdb_compact_range_cf_opt(
                    handle, family, options, start.baseAddress, start.count, end.baseAddress, end.count)
            }
        }
    }

    /// Removes the files of a family that hold rows of this slot alone.
    func dropFiles(_ family: OpaquePointer, _ slot: Slot) throws(StorageFailure) {
        // RocksDB counts the end in: it must lie behind the slot's last key, and not be another's first.
        let last = RowKey(slot, [UInt8](repeating: 0xff, count: Entry.maximumKeyLength + 1))
        try RocksDB.checked { error in
            RowKey.start(of: slot).withBytes { start in
                last.withBytes { last in
                    rocksdb_delete_file_in_range_cf(
                        handle, family, start.baseAddress, start.count, last.baseAddress, last.count, error)
                }
            }
        }
    }
}

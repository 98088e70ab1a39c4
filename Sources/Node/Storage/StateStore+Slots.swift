import CRocksDB
import Domain
import Foundation
import Identity
import Replication

/// What is done to a slot as a whole.
extension StateStore {
    /// Deletes all rows of the slot, its applied index among them, and brings that to disk. Blocks.
    func clear(_ slot: Slot) throws(StorageFailure) {
        let batch = makeBatch()
        batch.clear(slot)
        try write(batch)
        let cleared = rocksdb_get_latest_sequence_number(database.handle)
        try flush()
        // Files that hold nothing else go at once; the rest when the background compaction comes to them. Not while
        // somebody may read older rows: a file that is dropped is gone for snapshots too.
        guard try database.oldestSnapshot() ?? cleared >= cleared else { return }
        for family in Family.allCases { try database.dropFiles(handle(family), slot) }
    }

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

import CRocksDB
import Foundation
import Synchronization

/// One open RocksDB instance and its column families.
///
/// `@unchecked Sendable`: a `rocksdb_t` and its family handles may be used from many threads at once (RocksDB,
/// "Basic operations: concurrency"); the pointers are set once, before the value is shared, and freed once,
/// when nobody uses it any more. Iterators and snapshots keep it alive.
final class RocksDB: @unchecked Sendable {
    let handle: OpaquePointer
    let families: [OpaquePointer]
    private let writeOptions: OpaquePointer
    let readOptions: OpaquePointer
    /// Reads only what has reached SST files, not memtables (`kPersistedTier`).
    let persistedReadOptions: OpaquePointer
    private let closed = Atomic(false)

    /// - Parameter families: names and options, in the order of ``families``; `default` must be among them.
    /// - Throws: ``StorageFailure/rocksDB(_:)``.
    init(path: String, options: RocksDBOptions, families names: [String], familyOptions: [RocksDBOptions])
        throws(StorageFailure)
    {
        precondition(names.count == familyOptions.count, "every family has options")
        var handles = [OpaquePointer?](repeating: nil, count: names.count)
        let opened = try RocksDB.checked { error in
            let texts = names.map { name in name.withCString { strdup($0) } }
            defer { for text in texts { free(text) } }
            return rocksdb_open_column_families(
                options.handle, path, Int32(names.count), texts.map { UnsafePointer($0) },
                familyOptions.map { Optional($0.handle) }, &handles, error)
        }
        guard let opened else { throw .rocksDB("no instance at \(path)") }
        handle = opened
        families = handles.compactMap { $0 }
        writeOptions = rocksdb_writeoptions_create()
        rocksdb_writeoptions_disable_WAL(writeOptions, options.usesWAL ? 0 : 1)
        rocksdb_writeoptions_set_sync(writeOptions, options.usesWAL ? 1 : 0)
        readOptions = rocksdb_readoptions_create()
        rocksdb_readoptions_set_verify_checksums(readOptions, 1)
        persistedReadOptions = rocksdb_readoptions_create()
        rocksdb_readoptions_set_read_tier(persistedReadOptions, 2)
    }

    deinit { close() }

    var isClosed: Bool { closed.load(ordering: .acquiring) }

    /// Closes the instance before its time. The caller knows that nobody reads or writes any more.
    func close() {
        guard !closed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        rocksdb_readoptions_destroy(readOptions)
        rocksdb_readoptions_destroy(persistedReadOptions)
        rocksdb_writeoptions_destroy(writeOptions)
        for family in families { rocksdb_column_family_handle_destroy(family) }
        // Flushes what is in memory, all families together, as `atomic_flush` says.
        rocksdb_close(handle)
    }

    /// Files that were flushed or ingested and not put in order yet, of the family that has most.
    var level0Files: Int {
        families.reduce(0) { most, family in
            guard let text = rocksdb_property_value_cf(handle, family, "rocksdb.num-files-at-level0") else {
                return most
            }
            defer { rocksdb_free(text) }
            return max(most, Int(String(cString: text)) ?? 0)
        }
    }

    /// Runs a call of the C API and turns the message that it leaves behind into an error.
    static func checked<Result>(_ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result)
        throws(StorageFailure) -> Result
    {
        var message: UnsafeMutablePointer<CChar>?
        let result = body(&message)
        if let message {
            defer { rocksdb_free(message) }
            throw .rocksDB(String(cString: message))
        }
        return result
    }

    /// Writes the batch as one unit; with a WAL it is on disk when this returns.
    func write(_ batch: WriteBatch) throws(StorageFailure) {
        try RocksDB.checked { rocksdb_write(handle, writeOptions, batch.handle, $0) }
    }

    /// Writes everything in memory to SST files, all families in one atomic step.
    ///
    /// The C API flushes families one by one, which loses data silently after a crash (DESIGN §7); taking a checkpoint
    /// flushes them together. The checkpoint's hard links are removed again.
    ///
    /// - Parameter folder: a path on the same file system that does not exist.
    func flushAll(checkpoint folder: String) throws(StorageFailure) {
        let checkpoint = try RocksDB.checked { rocksdb_checkpoint_object_create(handle, $0) }
        defer { rocksdb_checkpoint_object_destroy(checkpoint) }
        try RocksDB.checked { rocksdb_checkpoint_create(checkpoint, folder, 0, $0) }
    }
}

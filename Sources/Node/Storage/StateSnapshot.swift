import CRocksDB
import Domain
import Identity
import NIOCore

/// Committed rows of one slot at one moment.
///
/// `@unchecked Sendable`: a RocksDB snapshot is immutable and may be read from any thread; the pointers are set once
/// and released in ``deinit``, when nobody holds the value any more.
public final class StateSnapshot: CommittedReader, @unchecked Sendable {
    public let slot: Slot
    private let database: RocksDB
    private let snapshot: OpaquePointer?
    private let options: OpaquePointer

    init(slot: Slot, database: RocksDB) {
        self.slot = slot
        self.database = database
        snapshot = rocksdb_create_snapshot(database.handle)
        options = rocksdb_readoptions_create()
        rocksdb_readoptions_set_snapshot(options, snapshot)
    }

    deinit {
        rocksdb_readoptions_destroy(options)
        if !database.isClosed { rocksdb_release_snapshot(database.handle, snapshot) }
    }

    public func get(_ family: Family, _ key: [UInt8]) throws -> ByteBuffer? {
        try database.get(database.families[Int(family.rawValue)], slot, key, options: options)
    }

    public func scan(
        _ family: Family, from: [UInt8], upTo: [UInt8], reverse: Bool,
        _ body: (_ key: [UInt8], _ value: ByteBuffer) throws -> Bool
    ) throws {
        try database.scan(
            database.families[Int(family.rawValue)], slot: slot, from: from, upTo: upTo, reverse: reverse,
            snapshot: snapshot, body)
    }

    /// How far the slot's log was applied at that moment.
    ///
    /// - Throws: ``StorageFailure``.
    public func applied() throws(StorageFailure) -> StateStore.Applied {
        let family = database.families[Int(Family.meta.rawValue)]
        return try StateStore.applied(
            slot, row: try database.get(family, slot, StateStore.appliedKey, options: options))
    }

    /// Calls `body` with the rows in [`from`, `upTo`), whole keys, in order until it returns `false`; a large read that
    /// goes past the block cache.
    func scanWhole(
        _ family: Family, from: [UInt8], upTo: [UInt8]? = nil,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try StorageFailure.locating(slot) {
            try database.scan(
                database.families[Int(family.rawValue)], from: RowKey(slot, from).bytes,
                upTo: (upTo.map { RowKey(slot, $0) } ?? .end(of: slot)).bytes, snapshot: snapshot, passing: true, body)
        }
    }
}

import CRocksDB
import Identity
import NIOCore

extension RocksDB {
    /// - Parameter options: of the read; ``readOptions`` for the newest state.
    func get(_ family: OpaquePointer, _ key: RowKey, options: OpaquePointer) throws(StorageFailure) -> ByteBuffer? {
        let found = try RocksDB.checked { error in
            key.withBytes { rocksdb_get_pinned_cf(handle, options, family, $0.baseAddress, $0.count, error) }
        }
        guard let found else { return nil }
        defer { rocksdb_pinnableslice_destroy(found) }
        var count = 0
        guard let bytes = rocksdb_pinnableslice_value(found, &count) else { return ByteBuffer() }
        return ByteBuffer(bytes: UnsafeRawBufferPointer(start: bytes, count: count))
    }

    /// Calls `body` with the rows of a slot in [`from`, `upTo`) (keys without the slot), in key order or in reverse,
    /// until it returns `false`.
    ///
    /// - Parameter upTo: `nil` for the end of the slot.
    func scan(
        _ family: OpaquePointer, slot: Slot, from: [UInt8], upTo: [UInt8]?, reverse: Bool, snapshot: OpaquePointer?,
        _ body: (_ key: [UInt8], _ value: ByteBuffer) throws -> Bool
    ) throws {
        let lower = RowKey(slot, from)
        let upper = upTo.map { RowKey(slot, $0) }
        try lower.withBytes { lower -> Result<Void, any Error> in
            func scan(_ upper: UnsafeBufferPointer<CChar>) -> Result<Void, any Error> {
                Result { try self.scan(family, lower, upper, reverse, snapshot, body) }
            }
            if let upper { return upper.withBytes { scan($0) } }
            let next = slot.rawValue + 1
            let end = [CChar(bitPattern: UInt8(next >> 8)), CChar(bitPattern: UInt8(truncatingIfNeeded: next))]
            return end.withUnsafeBufferPointer { scan($0) }
        }.get()
    }

    private func scan(
        _ family: OpaquePointer, _ lower: UnsafeBufferPointer<CChar>, _ upper: UnsafeBufferPointer<CChar>,
        _ reverse: Bool, _ snapshot: OpaquePointer?, _ body: (_ key: [UInt8], _ value: ByteBuffer) throws -> Bool
    ) throws {
        let options = rocksdb_readoptions_create()
        defer { rocksdb_readoptions_destroy(options) }
        rocksdb_readoptions_set_iterate_lower_bound(options, lower.baseAddress, lower.count)
        rocksdb_readoptions_set_iterate_upper_bound(options, upper.baseAddress, upper.count)
        if let snapshot { rocksdb_readoptions_set_snapshot(options, snapshot) }
        let iterator = rocksdb_create_iterator_cf(handle, options, family)
        defer { rocksdb_iter_destroy(iterator) }
        if reverse {
            rocksdb_iter_seek_to_last(iterator)
        } else {
            rocksdb_iter_seek(iterator, lower.baseAddress, lower.count)
        }
        while rocksdb_iter_valid(iterator) != 0 {
            var count = 0
            let key = rocksdb_iter_key(iterator, &count)
            let row = Array(UnsafeRawBufferPointer(start: key, count: count).dropFirst(2))
            let value = rocksdb_iter_value(iterator, &count)
            let bytes = ByteBuffer(bytes: UnsafeRawBufferPointer(start: value, count: count))
            guard try body(row, bytes) else { return }
            if reverse { rocksdb_iter_prev(iterator) } else { rocksdb_iter_next(iterator) }
        }
        try RocksDB.checked { rocksdb_iter_get_error(iterator, $0) }
    }
}

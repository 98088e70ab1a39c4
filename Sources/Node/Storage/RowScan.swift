import CRocksDB
import Identity
import NIOCore

extension RocksDB {
    /// - Parameter options: of the read; ``readOptions`` for the newest state.
    func get(
        _ family: OpaquePointer, _ slot: Slot, _ key: [UInt8], options: OpaquePointer
    ) throws(StorageFailure) -> ByteBuffer? {
        let found: OpaquePointer?
        do {
            found = try RocksDB.checked { error in
                RowKey(slot, key).withBytes {
                    rocksdb_get_pinned_cf(handle, options, family, $0.baseAddress, $0.count, error)
                }
            }
        } catch {
            throw error.read(of: slot)
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
        try StorageFailure.locating(slot) {
            try scan(
                family, from: RowKey(slot, from).bytes, upTo: (upTo.map { RowKey(slot, $0) } ?? .end(of: slot)).bytes,
                reverse: reverse, snapshot: snapshot
            ) { key, value in try body(Array(key.dropFirst(2)), ByteBuffer(bytes: value)) }
        }
    }

    /// Calls `body` with the rows in [`from`, `upTo`), whole keys, in key order or in reverse, until it returns
    /// `false`. The bytes are valid during the call.
    ///
    /// - Parameter passing: whether it is a large read that shall not drive others' blocks out of the cache.
    func scan(
        _ family: OpaquePointer, from: [UInt8], upTo: [UInt8], reverse: Bool = false, snapshot: OpaquePointer? = nil,
        passing: Bool = false, _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        let options = rocksdb_readoptions_create()
        defer { rocksdb_readoptions_destroy(options) }
        try from.withUnsafeBytes { lower -> Result<Void, any Error> in
            upTo.withUnsafeBytes { upper in
                rocksdb_readoptions_set_iterate_lower_bound(
                    options, lower.bindMemory(to: CChar.self).baseAddress, lower.count)
                rocksdb_readoptions_set_iterate_upper_bound(
                    options, upper.bindMemory(to: CChar.self).baseAddress, upper.count)
                if let snapshot { rocksdb_readoptions_set_snapshot(options, snapshot) }
                if passing {
                    rocksdb_readoptions_set_fill_cache(options, 0)
                    rocksdb_readoptions_set_readahead_size(options, RocksDB.passingReadahead)
                }
                return Result {
                    let iterator = rocksdb_create_iterator_cf(handle, options, family)
                    defer { rocksdb_iter_destroy(iterator) }
                    try walk(iterator, reverse: reverse, body)
                }
            }
        }.get()
    }

    /// How far ahead a large read reads.
    private static let passingReadahead = 1 << 20

    private func walk(
        _ iterator: OpaquePointer?, reverse: Bool,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        if reverse { rocksdb_iter_seek_to_last(iterator) } else { rocksdb_iter_seek_to_first(iterator) }
        while rocksdb_iter_valid(iterator) != 0 {
            var count = 0
            let key = rocksdb_iter_key(iterator, &count)
            let keyBytes = UnsafeRawBufferPointer(start: key, count: count)
            let value = rocksdb_iter_value(iterator, &count)
            guard try body(keyBytes, UnsafeRawBufferPointer(start: value, count: count)) else { return }
            if reverse { rocksdb_iter_prev(iterator) } else { rocksdb_iter_next(iterator) }
        }
        try RocksDB.checked { rocksdb_iter_get_error(iterator, $0) }
    }

    /// About how many bytes the slots' rows take in the family's files; what is in memory does not count.
    func approximateSizes(_ family: OpaquePointer, _ slots: [Slot]) throws(StorageFailure) -> [Slot: Int] {
        guard !slots.isEmpty else { return [:] }
        // The keys of all ranges lie in one array, two bytes each.
        let keys = slots.flatMap { RowKey.start(of: $0).bytes + RowKey.end(of: $0).bytes }
        let lengths = [Int](repeating: 2, count: slots.count)
        var sizes = [UInt64](repeating: 0, count: slots.count)
        try RocksDB.checked { error in
            keys.withUnsafeBytes { keys in
                let base = keys.bindMemory(to: CChar.self).baseAddress
                rocksdb_approximate_sizes_cf(
                    handle, family, Int32(slots.count), slots.indices.map { index in base.map { $0 + 4 * index } },
                    lengths, slots.indices.map { index in base.map { $0 + 4 * index + 2 } }, lengths, &sizes, error)
            }
        }
        return Dictionary(zip(slots, sizes.map { Int($0) }), uniquingKeysWith: +)
    }
}

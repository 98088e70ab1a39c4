import CRocksDB
import Identity
import NIOCore

/// Changes that RocksDB writes as one unit. Made, filled and written by one thread.
final class WriteBatch {
    let handle: OpaquePointer

    init() { handle = rocksdb_writebatch_create() }
    deinit { rocksdb_writebatch_destroy(handle) }

    var count: Int { Int(rocksdb_writebatch_count(handle)) }

    func put(_ family: OpaquePointer, _ key: RowKey, _ value: ByteBuffer) {
        key.withBytes { key in
            value.withUnsafeReadableBytes { value in
                let bytes = value.bindMemory(to: CChar.self)
                rocksdb_writebatch_put_cf(
                    handle, family, key.baseAddress, key.count, bytes.baseAddress, bytes.count)
            }
        }
    }

    func delete(_ family: OpaquePointer, _ key: RowKey) {
        key.withBytes { rocksdb_writebatch_delete_cf(handle, family, $0.baseAddress, $0.count) }
    }

    func deleteRange(_ family: OpaquePointer, from: RowKey, upTo: RowKey) {
        from.withBytes { from in
            upTo.withBytes { upTo in
                rocksdb_writebatch_delete_range_cf(
                    handle, family, from.baseAddress, from.count, upTo.baseAddress, upTo.count)
            }
        }
    }
}

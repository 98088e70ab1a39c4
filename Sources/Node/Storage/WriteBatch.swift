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

/// A key as it lies in RocksDB: two bytes of slot, big-endian, so that a slot is one range; then the row's own key.
struct RowKey {
    let slot: Slot
    let rest: [UInt8]

    init(_ slot: Slot, _ rest: [UInt8]) {
        self.slot = slot
        self.rest = rest
    }

    func withBytes<Result>(_ body: (UnsafeBufferPointer<CChar>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: rest.count + 2) { buffer in
            buffer[0] = CChar(bitPattern: UInt8(slot.rawValue >> 8))
            buffer[1] = CChar(bitPattern: UInt8(truncatingIfNeeded: slot.rawValue))
            rest.withUnsafeBufferPointer { rest in
                for position in rest.indices { buffer[position + 2] = CChar(bitPattern: rest[position]) }
            }
            return body(UnsafeBufferPointer(buffer))
        }
    }
}

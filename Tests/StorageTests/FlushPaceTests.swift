import CRocksDB
import Domain
import Identity
import NIOCore
import Testing

@testable import Storage

@Suite(.timeLimit(.minutes(5))) struct FlushPaceTests {
    /// With a rate that the disk is far above, buffers gather, and writes go on beside the flush.
    @Test func writesGoOnWhileSeveralBuffersWaitForTheirFlush() throws {
        var limits = StoreLimits()
        limits.stateWriteBuffer = 512 << 10
        limits.backgroundRate = 512 << 10
        let folder = try TemporaryFolder()
        let slots = (0..<8).map { Slot(truncating: UInt64($0)) }
        let sums: [[Family: RowsChecksum]]
        do {
            let store = try StoreFixture(folder.path, limits: limits)
            var most = 0
            for slot in slots {
                try store.fill(slot, rows: 400, seed: UInt64(slot.rawValue) + 1, index: 1)
                most = max(most, waitingBuffers(store))
            }
            #expect(most >= 3)
            sums = try slots.map { try store.sums($0) }
            try store.store.flush(store.writer)
            #expect(waitingBuffers(store) == 0)
        }
        let again = try StoreFixture(folder.path)
        #expect(try slots.map { try again.sums($0) } == sums)
    }

    private func waitingBuffers(_ store: StoreFixture) -> Int {
        let state = store.store.state
        guard
            let text = rocksdb_property_value_cf(
                state.database.handle, state.handle(.message), "rocksdb.num-immutable-mem-table")
        else { return 0 }
        defer { rocksdb_free(text) }
        return Int(String(cString: text)) ?? 0
    }
}

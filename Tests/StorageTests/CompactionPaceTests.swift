import CRocksDB
import Domain
import Identity
import NIOCore
import Testing

@testable import Storage

@Suite(.timeLimit(.minutes(5))) struct CompactionPaceTests {
    @Test func compactionsRestUnlessFilesGather() {
        let pace = CompactionPace()
        #expect(!pace.isHasty)
        pace.judge(level0Files: CompactionPace.crowd - 1)
        #expect(!pace.isHasty)
        pace.judge(level0Files: CompactionPace.crowd)
        #expect(pace.isHasty)
        pace.judge(level0Files: 0)
        #expect(!pace.isHasty)
    }

    /// The filter through which compactions are paced drops and changes nothing, with rests and without.
    @Test(arguments: [false, true]) func compactionsKeepEveryRow(isHasty: Bool) throws {
        let folder = try TemporaryFolder()
        let store = try StoreFixture(folder.path)
        let slots = (0..<6).map { Slot(truncating: UInt64($0)) }
        if isHasty { store.store.state.pace.judge(level0Files: CompactionPace.crowd) }
        for slot in slots {
            try store.fill(slot, rows: 3000, seed: UInt64(slot.rawValue) + 1, index: 1)
            try store.store.flush(store.writer)
        }
        let sums = try slots.map { try store.sums($0) }
        for family in Family.allCases {
            rocksdb_compact_range_cf(
                store.store.state.database.handle, store.store.state.handle(family), nil, 0, nil, 0)
        }
        #expect(store.store.state.database.level0Files == 0)
        #expect(try slots.map { try store.sums($0) } == sums)
    }

    @Test func filesThatWereFlushedAreCounted() throws {
        let folder = try TemporaryFolder()
        let store = try StoreFixture(folder.path)
        #expect(store.store.state.database.level0Files == 0)
        for index in UInt64(1)...3 {
            try store.fill(Slot(truncating: 1), rows: 1, index: index)
            try store.store.flush(store.writer)
        }
        #expect(store.store.state.database.level0Files == 3)
        store.store.paceCompactions()
        #expect(!store.store.state.pace.isHasty)
    }
}

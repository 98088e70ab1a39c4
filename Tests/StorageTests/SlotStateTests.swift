import Domain
import Foundation
import Identity
import NIOCore
import Replication
import Testing

@testable import Storage

/// What is done to a slot as a whole: deleting, sizes, sums.
@Suite struct SlotStateTests {
    static let slot = Slot(truncating: 255)
    static let other = Slot(truncating: 256)

    private let folder: TemporaryFolder
    private let fixture: StoreFixture

    init() throws {
        folder = try TemporaryFolder()
        fixture = try StoreFixture(folder.path + "/store")
    }

    private func tableBytes() throws -> Int {
        let path = folder.path + "/store/state"
        return try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".sst") }
            .reduce(0) { try $0 + Data(contentsOf: URL(fileURLWithPath: path + "/" + $1)).count }
    }

    @Test func deletingASlotTakesItsRowsAndItsLogAndNobodyElses() throws {
        for slot in [Self.slot, Self.other] {
            try fixture.fill(slot, rows: 50, index: 7)
            fixture.append(slot, 1...7)
        }
        // The first key that another slot can have: right behind the range that is deleted.
        try fixture.apply(Self.other, [StateStoreTests.put(.guild, [], "first")], index: 8)
        try fixture.store.state.flush()
        try fixture.store.delete([Self.slot], writer: fixture.writer)
        #expect(try fixture.sums(Self.slot).values.allSatisfy { $0.rows == 0 })
        #expect(try fixture.store.state.persistedApplied(Self.slot) == .nothing)
        #expect(try fixture.store.log.last(Self.slot) == nil)
        #expect(try fixture.store.log.markers() == [:])
        #expect(try fixture.sums(Self.other)[.guild]?.rows == 51)
        #expect(try fixture.store.log.last(Self.other)?.index == LogIndex(rawValue: 7))
        #expect(try fixture.store.state.applied(Self.other).index == LogIndex(rawValue: 8))
        // The slot may come back.
        try fixture.fill(Self.slot, rows: 3, index: 1)
        #expect(try fixture.sums(Self.slot)[.guild]?.rows == 3)
    }

    @Test func deletesSeveralSlotsAtOnce() throws {
        let slots = [Self.slot, Slot(truncating: UInt64(Self.other.rawValue) + 1)]
        for slot in slots + [Self.other] {
            try fixture.fill(slot, rows: 50, index: 7)
            fixture.append(slot, 1...7)
        }
        try fixture.store.delete(slots, writer: fixture.writer)
        for slot in slots {
            #expect(try fixture.sums(slot).values.allSatisfy { $0.rows == 0 })
            #expect(try fixture.store.log.last(slot) == nil)
        }
        #expect(try fixture.store.log.markers() == [:])
        #expect(try fixture.sums(Self.other)[.guild]?.rows == 50)
        #expect(try fixture.store.log.last(Self.other)?.index == LogIndex(rawValue: 7))
    }

    /// An installed snapshot lies in files of its own, which go as a whole.
    @Test func deletingAnInstalledSlotFreesItsSpaceAtOnce() throws {
        let source = try StoreFixture(folder.path + "/source")
        try source.fill(Self.slot, rows: 1000, index: 7)
        let (ingestion, parts) = try fixture.receive(try source.store.state.export(Self.slot, partBytes: 100 << 10))
        _ = try ingestion.install(parts: parts)
        #expect(try tableBytes() > 1_000_000)
        try fixture.store.delete([Self.slot], writer: fixture.writer)
        #expect(try tableBytes() < 100_000)
    }

    /// Whoever reads a slot's older rows keeps them, also when their files are in the way.
    @Test func deletingASlotLeavesItToOpenSnapshots() throws {
        try fixture.fill(Self.slot, rows: 1000, index: 7)
        try fixture.store.state.flush()
        var reader: StateSnapshot? = fixture.store.state.snapshot(Self.slot)
        try fixture.store.delete([Self.slot], writer: fixture.writer)
        #expect(try reader?.checksum(.message, from: [], upTo: nil).sum.rows == 1000)
        #expect(try fixture.sums(Self.slot)[.message]?.rows == 0)
        reader = nil
    }

    @Test func sizesAreThoseOfTheFiles() throws {
        try fixture.fill(Self.slot, rows: 1000, index: 7)
        try fixture.fill(Self.other, rows: 250, index: 7)
        try fixture.store.state.flush()
        let empty = Slot(truncating: 9)
        let sizes = try fixture.store.state.sizes([Self.slot, Self.other, empty])
        // Values that cannot be compressed: 200 bytes in each of 5 families.
        #expect((800_000...1_400_000).contains(sizes[Self.slot] ?? 0))
        #expect((150_000...400_000).contains(sizes[Self.other] ?? 0))
        #expect((sizes[empty] ?? -1) < 50_000)
        #expect(try fixture.store.state.sizes([]) == [:])
        #expect(try fixture.store.log.sizes([Self.slot]).keys.contains(Self.slot))
    }

    @Test func equalRowsHaveEqualSumsHoweverTheyCameAbout() throws {
        let second = try StoreFixture(folder.path + "/second")
        try fixture.fill(Self.slot, rows: 100, index: 7)
        try second.fill(Self.slot, rows: 100, seed: 9, index: 3)
        try second.apply(Self.slot, [StateStoreTests.put(.message, [1], "x")], index: 4)
        try second.store.state.flush()
        #expect(try fixture.sums(Self.slot) != second.sums(Self.slot))
        try second.fill(Self.slot, rows: 100, index: 7)
        try second.apply(Self.slot, [.delete(family: Family.message.rawValue, key: [1])], index: 7)
        #expect(try fixture.sums(Self.slot) == second.sums(Self.slot))
    }

    @Test func aSumSeesValuesKeysOrderAndWhereAKeyEnds() throws {
        func sum(_ rows: [([UInt8], String)]) throws -> RowsChecksum {
            let batch = fixture.store.state.makeBatch()
            batch.clear(.guild, Self.slot)
            try batch.add(rows.map { StateStoreTests.put(.guild, $0.0, $0.1) }, of: Self.slot)
            try fixture.store.state.write(batch)
            return try fixture.store.state.snapshot(Self.slot).checksum(.guild, from: [], upTo: nil).sum
        }
        let rows: [([UInt8], String)] = [([1], "a"), ([2], "b")]
        let all = try [
            sum(rows), sum([([1], "a"), ([2], "c")]), sum([([1], "a"), ([3], "b")]), sum([([1], "b"), ([2], "a")]),
            sum([([1], "a")]), sum([([1, 97], "")]), sum([([1, 97, 98], ""), ([2], "")]), sum([]),
        ]
        #expect(Set(all).count == all.count)
        #expect(try sum(rows) == all[0])
        #expect(all[0].rows == 2 && all[0].bytes == 4)
        #expect(try RowsChecksum(decoding: all[0].encoded()) == all[0])
    }

    @Test func aFamilyIsSummedUpInPieces() throws {
        try fixture.fill(Self.slot, rows: 100, index: 7)
        let snapshot = fixture.store.state.snapshot(Self.slot)
        // Rows that come later do not count.
        try fixture.apply(Self.slot, [StateStoreTests.put(.message, [7, 0, 3], "between")], index: 8)
        var from: [UInt8]? = []
        var pieces: [RowsChecksum] = []
        while let start = from {
            let (sum, next) = try snapshot.checksum(.message, from: start, upTo: nil, maximumRows: 30)
            #expect(try snapshot.checksum(.message, from: start, upTo: next).sum == sum)
            pieces.append(sum)
            from = next
        }
        #expect(pieces.map(\.rows) == [30, 30, 30, 10])
        #expect(try snapshot.applied().index == LogIndex(rawValue: 7))
    }
}

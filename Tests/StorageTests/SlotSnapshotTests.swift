import Domain
import Foundation
import Identity
import NIOCore
import Replication
import Testing

@testable import Storage

@Suite struct SlotSnapshotTests {
    static let slot = Slot(truncating: 255)
    static let others = [Slot(truncating: 254), Slot(truncating: 256)]

    private let source: StoreFixture
    private let destination: StoreFixture
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        source = try StoreFixture(folder.path + "/source")
        destination = try StoreFixture(folder.path + "/destination")
        try source.fill(Self.slot, rows: 300, index: 41)
        for other in Self.others { try source.fill(other, rows: 10, seed: 2, index: 9) }
    }

    @Test func bringsASlotToAnotherStoreAsItWasAtOneIndex() throws {
        let expected = try source.sums(Self.slot)
        let snapshot = try source.store.state.export(Self.slot, partBytes: 8 << 10)
        // What comes after the snapshot was taken is not in it.
        try source.apply(Self.slot, [StateStoreTests.put(.guild, [1], "later")], index: 42)
        // What the destination had of the slot goes, what it has of others stays.
        try destination.fill(Self.slot, rows: 50, seed: 3, index: 77)
        try destination.apply(Self.slot, [StateStoreTests.put(.message, [9, 9], "old")], index: 78)
        destination.append(Self.slot, 1...5)
        for other in Self.others { try destination.fill(other, rows: 10, seed: 4, index: 5) }
        let untouched = try Self.others.map { try destination.sums($0) }

        let (ingestion, parts) = try destination.receive(snapshot)
        #expect(parts >= Family.allCases.count * 5)
        #expect(try destination.store.state.applied(Self.slot).index == LogIndex(rawValue: 78))
        let applied = try ingestion.install(parts: parts)
        #expect(applied.index == LogIndex(rawValue: 41))
        #expect(try destination.sums(Self.slot) == expected)
        #expect(try destination.store.state.applied(Self.slot) == snapshot.head.applied)
        #expect(try destination.store.log.last(Self.slot) == nil)
        #expect(try destination.store.log.markers() == [:])
        #expect(try Self.others.map { try destination.sums($0) } == untouched)
        // Rows of the slot can be changed and deleted after that.
        let value = "new"
        try destination.apply(Self.slot, [StateStoreTests.put(.guild, [7, 0, 0, 1], value)], index: 42)
        #expect(try destination.store.state.get(Self.slot, .guild, [7, 0, 0, 1]) == ByteBuffer(string: value))
    }

    @Test func partsAreBoundedAndOneLiesOnDiskAtATime() throws {
        let snapshot = try source.store.state.export(Self.slot, partBytes: 8 << 10)
        var rows = 0
        var numbers: [Int] = []
        while let part = try snapshot.nextPart() {
            // The index, the filter and the last block come on top.
            #expect(part.size < 16 << 10)
            rows += part.rows
            numbers.append(part.number)
            let files = try FileManager.default.subpathsOfDirectory(atPath: source.store.state.outgoingFolder)
            #expect(files.count { $0.hasSuffix(".sst") } == 1)
        }
        #expect(numbers == Array(0..<numbers.count))
        #expect(rows == 300 * Family.allCases.count)
        snapshot.close()
        #expect(try FileManager.default.contentsOfDirectory(atPath: source.store.state.outgoingFolder) == [])
    }

    @Test func aSmallSlotIsOnePartOfRowsAndMakesNoFiles() throws {
        let small = Slot(truncating: 254)
        try destination.fill(small, rows: 3, seed: 8, index: 2)
        let snapshot = try source.store.state.export(small)
        let (ingestion, parts) = try destination.receive(snapshot, chunk: 100)
        #expect(parts == 1)
        for store in [source.store, destination.store] {
            for folder in [store.state.outgoingFolder, store.state.incomingFolder] {
                let files = try? FileManager.default.subpathsOfDirectory(atPath: folder)
                #expect(files?.contains { $0.hasSuffix(".sst") } != true)
            }
        }
        #expect(try ingestion.install(parts: parts) == snapshot.head.applied)
        #expect(try destination.sums(small) == source.sums(small))
    }

    @Test(arguments: [[4], [0], [3, 1, 2, 3], [5, 103, 117, 105, 108, 100, 0, 0, 0, 1, 0, 2, 1]] as [[UInt8]])
    func rowsThatCannotBeReadLeaveAnEmptySlot(_ rows: [UInt8]) throws {
        try destination.fill(Self.slot, rows: 20, seed: 5, index: 3)
        let head = SlotSnapshot.Head(slot: Self.slot, applied: .nothing)
        let ingestion = try #require(try destination.store.ingest(head, writer: destination.writer))
        let bytes = ByteBuffer(bytes: rows)
        try ingestion.begin(.init(number: 0, family: "", size: rows.count, checksum: bytes.checksum, rows: 1))
        #expect(try ingestion.write(bytes))
        #expect(throws: StorageFailure.self) { _ = try ingestion.install(parts: 1) }
        #expect(try destination.sums(Self.slot).values.allSatisfy { $0.rows == 0 })
        #expect(try destination.store.log.markers() == [:])
    }

    @Test func rowsThatHaveNotAllComeAreNotInstalled() throws {
        try destination.fill(Self.slot, rows: 20, seed: 5, index: 3)
        let before = try destination.sums(Self.slot)
        let head = SlotSnapshot.Head(slot: Self.slot, applied: .nothing)
        let ingestion = try #require(try destination.store.ingest(head, writer: destination.writer))
        try ingestion.begin(.init(number: 0, family: "", size: 100, checksum: 0, rows: 1))
        #expect(try !ingestion.write(ByteBuffer(repeating: 0, count: 50)))
        for parts in 0...1 {
            #expect(throws: StorageFailure.self) { _ = try ingestion.install(parts: parts) }
        }
        #expect(try destination.sums(Self.slot) == before)
        #expect(try destination.store.log.markers() == [:])
    }

    @Test func anEmptySlotMakesTheOtherEmpty() throws {
        try destination.fill(Slot(truncating: 7), rows: 20, index: 3)
        let snapshot = try source.store.state.export(Slot(truncating: 7))
        let (ingestion, parts) = try destination.receive(snapshot)
        #expect(parts == 0)
        #expect(try ingestion.install(parts: 0) == .nothing)
        #expect(try destination.sums(Slot(truncating: 7)).values.allSatisfy { $0.rows == 0 || $0.rows == 1 })
    }

    /// Families are numbered by RocksDB in the order in which they were made; a part names its family.
    @Test func familiesAreFoundByNameWhateverTheirNumbers() throws {
        let path = folder.path + "/reversed"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        _ = try StoreIdentity.establish(folder: path, cluster: StoreFixture.cluster)
        let names = ["default"] + Family.allCases.reversed().map(\.columnFamily)
        let options = RocksDBOptions.state(limits: StoreLimits(), isServing: true)
        try RocksDB(path: path + "/state", options: options, families: names, familyOptions: names.map { _ in options })
            .close()
        let reversed = try StoreFixture(path)
        let (ingestion, parts) = try reversed.receive(try source.store.state.export(Self.slot, partBytes: 64 << 10))
        _ = try ingestion.install(parts: parts)
        #expect(try reversed.sums(Self.slot) == source.sums(Self.slot))
        // And back.
        let (second, count) = try destination.receive(try reversed.store.state.export(Self.slot))
        _ = try second.install(parts: count)
        #expect(try destination.sums(Self.slot) == source.sums(Self.slot))
    }

    @Test func oneIngestionAtATime() throws {
        let snapshot = try source.store.state.export(Self.slot)
        let first = try #require(try destination.store.ingest(snapshot.head, writer: destination.writer))
        #expect(try destination.store.ingest(snapshot.head, writer: destination.writer) == nil)
        first.close()
        first.close()
        let second = try #require(try destination.store.ingest(snapshot.head, writer: destination.writer))
        #expect(try destination.store.ingest(snapshot.head, writer: destination.writer) == nil)
        second.close()
    }

    @Test func changedBytesAreRefusedAndNothingIsTouched() throws {
        try destination.fill(Self.slot, rows: 20, seed: 5, index: 3)
        let before = try destination.sums(Self.slot)
        let snapshot = try source.store.state.export(Self.slot)
        let ingestion = try #require(try destination.store.ingest(snapshot.head, writer: destination.writer))
        let part = try #require(try snapshot.nextPart())
        try ingestion.begin(part)
        var bytes = try snapshot.read(from: 0, maximumBytes: part.size)
        bytes.setInteger(bytes.getInteger(at: 100, as: UInt8.self)! ^ 1, at: 100)
        let failure = #expect(throws: StorageFailure.self) { _ = try ingestion.write(bytes) }
        #expect(failure?.isLocal == true)
        #expect("\(failure!)".contains("checksum is wrong"))
        #expect(throws: StorageFailure.self) { _ = try ingestion.install(parts: 1) }
        ingestion.close()
        #expect(try destination.sums(Self.slot) == before)
        #expect(try destination.store.log.markers() == [:])
    }

    @Test func partsOutOfOrderAreRefused() throws {
        let head = SlotSnapshot.Head(slot: Self.slot, applied: .nothing)
        let ingestion = try #require(try destination.store.ingest(head, writer: destination.writer))
        let good = SlotSnapshot.Part(number: 0, family: "guild", size: 3, checksum: 0, rows: 1)
        for change: (inout SlotSnapshot.Part) -> Void in [
            { $0.number = 1 }, { $0.family = "nonsense" }, { $0.size = 0 },
            { $0.size = SlotIngestion.maximumPartBytes + 1 },
        ] {
            var part = good
            change(&part)
            #expect(throws: StorageFailure.self) { try ingestion.begin(part) }
        }
        #expect(throws: StorageFailure.self) { try ingestion.write(ByteBuffer(string: "x")) }
        try ingestion.begin(good)
        #expect(throws: StorageFailure.self) { try ingestion.begin(good) }
        #expect(throws: StorageFailure.self) { try ingestion.write(ByteBuffer(string: "long")) }
        #expect(throws: StorageFailure.self) { try ingestion.install(parts: 0) }
    }

    /// A part that arrives as it was sent but is no SST file of ours.
    @Test func aFileThatRocksDBRefusesLeavesAnEmptySlotAndARunningStore() throws {
        try destination.fill(Self.slot, rows: 20, seed: 5, index: 3)
        let head = SlotSnapshot.Head(slot: Self.slot, applied: .nothing)
        let ingestion = try #require(try destination.store.ingest(head, writer: destination.writer))
        let bytes = ByteBuffer(string: String(repeating: "no rows here", count: 100))
        let checksum = bytes.withUnsafeReadableBytes { Checksum.crc32c($0) }
        try ingestion.begin(.init(number: 0, family: "guild", size: bytes.readableBytes, checksum: checksum, rows: 1))
        #expect(try ingestion.write(bytes))
        let failure = #expect(throws: StorageFailure.self) { _ = try ingestion.install(parts: 1) }
        #expect(failure?.isLocal == true)
        #expect(try destination.sums(Self.slot).values.allSatisfy { $0.rows == 0 })
        #expect(try destination.store.log.markers() == [:])
        try destination.fill(Self.slot, rows: 20, seed: 5, index: 3)
    }

    @Test func headsAndPartsKeepTheirValuesOnTheWire() throws {
        let head = SlotSnapshot.Head(
            slot: Self.slot,
            applied: .init(epoch: Epoch(rawValue: 3), index: LogIndex(rawValue: 9), idMark: Snowflake(rawValue: 77)))
        #expect(try SlotSnapshot.Head(decoding: head.encoded()) == head)
        let part = SlotSnapshot.Part(number: 4, family: "meta", size: 1 << 33, checksum: .max, rows: 12)
        #expect(try SlotSnapshot.Part(decoding: part.encoded()) == part)
    }
}

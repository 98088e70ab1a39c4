import Domain
import Foundation
import Identity
import NIOCore
import Replication
import Testing

@testable import Storage

/// A block that a compaction finds broken stops the store's writes once, and costs the slot that it lies in, no other.
@Suite struct StateRepairTests {
    static let slot = Slot(truncating: 20)
    static let others = [Slot(truncating: 10), Slot(truncating: 30)]

    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        do {
            let fixture = try StoreFixture(folder.path)
            for slot in Self.others + [Self.slot] { try put(fixture, slot, rows: 300, index: 7) }
        }
        // The messages' file holds the three slots one after the other: its middle is in the second.
        #expect(try CorruptionTests.breakTables(folder.path + "/state", atLeast: 50_000) == 1)
    }

    private func put(_ fixture: StoreFixture, _ slot: Slot, rows: Int, index: UInt64) throws {
        // Different each time, and not to be compressed.
        var state = UInt64.random(in: 0 ... .max)
        let operations = (0..<rows).map { row in
            var value = ByteBuffer()
            for _ in 0..<25 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                value.writeInteger(state)
            }
            return Entry.Operation.put(
                family: Family.message.rawValue, key: [7, UInt8(row >> 8), UInt8(row & 255)], value: value)
        }
        try fixture.apply(slot, operations + [StateStoreTests.put(.guild, [1], "\(slot)")], index: index)
    }

    /// Writes until a compaction meets the block.
    private func writeUntilItFails() throws -> StorageFailure? {
        let fixture = try StoreFixture(folder.path)
        do {
            for index in UInt64(8)...200 {
                // The whole range, so that a compaction of the new files takes the old one as well.
                for slot in Self.others { try put(fixture, slot, rows: 300, index: index) }
                try fixture.store.state.flush()
            }
            return nil
        } catch let failure as StorageFailure {
            return failure
        }
    }

    @Test func theNextStartTakesTheBrokenBlockOut() throws {
        let failure = try #require(try writeUntilItFails())
        #expect("\(failure)".contains("Corruption: block checksum mismatch"))
        #expect(!failure.isLocal)

        let fixture = try StoreFixture(folder.path)
        #expect(fixture.store.foundCorrupt == [Self.slot])
        #expect(try fixture.store.log.markers() == [Self.slot: .corrupt])
        for other in Self.others {
            #expect(try fixture.sums(other)[.message]?.rows == 300)
            #expect(try fixture.store.state.get(other, .guild, [1]) == ByteBuffer(string: "\(other)"))
            #expect(try fixture.store.state.applied(other).index.rawValue >= 7)
        }
        #expect(try fixture.sums(Self.slot)[.message]?.rows == 0)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/state.repair"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/state.broken").count == 1)
        // Writes, flushes and compactions go on.
        for index in UInt64(300)...310 {
            for slot in Self.others { try put(fixture, slot, rows: 300, index: index) }
            try fixture.store.state.flush()
        }
        // The replica gets a snapshot, and is sound again.
        let source = try StoreFixture(folder.path + "/source")
        try put(source, Self.slot, rows: 300, index: 50)
        let (ingestion, parts) = try fixture.receive(try source.store.state.export(Self.slot))
        _ = try ingestion.install(parts: parts)
        #expect(try fixture.store.log.markers() == [:])
        #expect(try fixture.sums(Self.slot) == source.sums(Self.slot))
    }

    /// The steps are done by hand as far as the crash, and then by the opening of the store.
    @Test(arguments: ["dropped", "made again", "ingested"])
    func aCrashDuringTheRepairIsMadeGood(_ last: String) throws {
        #expect(try writeUntilItFails() != nil)
        let repair = StateRepair(path: folder.path + "/state", limits: StoreLimits())
        do {
            let log = try LogStore(path: folder.path + "/log")
            let outcome = try #require(try repair.begin(log))
            #expect(outcome == .init(family: .message, corrupt: [Self.slot]))
            if last != "dropped" {
                let state = try StateStore(path: folder.path + "/state")
                let files = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/state.repair")
                    .filter { $0.hasSuffix(".sst") }
                if last == "ingested" {
                    try state.database.ingest(
                        files.map { folder.path + "/state.repair/" + $0 }, state.handle(.message), moving: false)
                }
                #expect(files.count == 2)
                state.close()
            }
            log.close()
        }
        let fixture = try StoreFixture(folder.path)
        #expect(fixture.store.foundCorrupt == [Self.slot])
        for other in Self.others { #expect(try fixture.sums(other)[.message]?.rows == 300) }
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/state.repair"))
    }

    /// Deleting has to read the broken block, so it may stop the writes as well; the next start is done with it.
    @Test func aCorruptReplicaCanBeDeletedWithOneRestartAtMost() throws {
        do {
            let fixture = try StoreFixture(folder.path)
            try? fixture.store.delete([Self.slot], writer: fixture.writer, hasBroken: true)
            _ = try? put(fixture, Self.others[0], rows: 300, index: 8)
            _ = try? fixture.store.state.flush()
        }
        let fixture = try StoreFixture(folder.path)
        if try fixture.store.log.markers() == [Self.slot: .corrupt] {
            try fixture.store.delete([Self.slot], writer: fixture.writer, hasBroken: true)
        }
        #expect(try fixture.store.log.markers() == [:])
        #expect(try fixture.sums(Self.slot).values.allSatisfy { $0.rows == 0 })
        #expect(try fixture.store.state.applied(Self.slot) == .nothing)
        for other in Self.others { #expect(try fixture.sums(other)[.message]?.rows == 300) }
        for index in UInt64(300)...306 {
            for slot in Self.others { try put(fixture, slot, rows: 300, index: index) }
            try fixture.store.state.flush()
        }
    }

    @Test func anOldNoteOfAFileThatIsGoneDoesNothing() throws {
        let state = folder.path + "/state"
        DamageNote(besides: state).remember(
            .rocksDB("Corruption: nonsense in \(state)/999999.sst"))
        let fixture = try StoreFixture(folder.path)
        #expect(fixture.store.foundCorrupt == [])
        #expect(try fixture.sums(Self.others[0])[.message]?.rows == 300)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/state.repair"))
    }
}

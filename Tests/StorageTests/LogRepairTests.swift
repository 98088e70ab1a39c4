import Foundation
import Identity
import Testing

@testable import Storage

/// A broken block in a file of the log costs the slot that it lies in.
@Suite struct LogRepairTests {
    static let slot = Slot(truncating: 20)
    static let others = [Slot(truncating: 10), Slot(truncating: 30)]

    private let folder: TemporaryFolder

    /// A log with a broken block, after a write that failed because of it.
    init() throws {
        folder = try TemporaryFolder()
        do {
            let fixture = try StoreFixture(folder.path)
            for slot in Self.others + [Self.slot] { fixture.append(slot, 1...400) }
            fixture.writer.writeAndWait([.know(Self.others[0], Epoch(rawValue: 5)), .mark(Self.others[1], .corrupt)])
        }
        // The write-ahead log of the first process becomes a table file of the second.
        do { _ = try StoreFixture(folder.path) }
        #expect(try CorruptionTests.breakTables(folder.path + "/log", atLeast: 4_000) == 1)
        let words = "Corruption: block checksum mismatch in \(folder.path)/log/000012.sst offset 0 size 4096"
        DamageNote(besides: folder.path + "/log").remember(.rocksDB(words))
    }

    private func expectRepaired(_ fixture: StoreFixture) throws {
        let log = fixture.store.log
        #expect(try log.last(Self.slot) == nil)
        #expect(try log.markers() == [Self.slot: .corrupt, Self.others[1]: .corrupt])
        #expect(try log.knownEpochs() == [Self.others[0]: Epoch(rawValue: 5)])
        for other in Self.others {
            #expect(
                try log.rawEntries(other, from: .zero, maximumBytes: 1 << 20).map(\.position.index.rawValue)
                    == Array(1...400))
        }
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/log.repair"))
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/log.new"))
        #expect(FileManager.default.fileExists(atPath: folder.path + "/log.broken/CURRENT"))
        fixture.append(Self.others[0], 401...402)
    }

    @Test func theNextStartKeepsWhatCanBeRead() throws {
        let fixture = try StoreFixture(folder.path)
        #expect(fixture.store.foundCorrupt == [Self.slot])
        try expectRepaired(fixture)
    }

    @Test func aCrashBetweenTheRenamesIsMadeGood() throws {
        do { _ = try StoreFixture(folder.path) }
        // As it was just before the new instance got its place.
        try FileManager.default.moveItem(atPath: folder.path + "/log", toPath: folder.path + "/log.new")
        DamageNote(besides: folder.path + "/log").remember(.rocksDB("Corruption: as before"))
        try expectRepaired(try StoreFixture(folder.path))
    }

    @Test func aCopyThatWasCutOffBeginsAgain() throws {
        try FileManager.default.createDirectory(atPath: folder.path + "/log.new", withIntermediateDirectories: true)
        try Data("half".utf8).write(to: URL(fileURLWithPath: folder.path + "/log.new/CURRENT"))
        try expectRepaired(try StoreFixture(folder.path))
    }
}

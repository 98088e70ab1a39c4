import Domain
import Foundation
import Identity
import NIOCore
import Replication
import Testing

@testable import Storage

/// What is broken in one slot is reported as that slot's, and the others go on.
@Suite struct CorruptionTests {
    static let slot = Slot(truncating: 20)
    static let others = [Slot(truncating: 10), Slot(truncating: 30)]

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func expectCorrupt(
        _ slot: Slot = slot, index: UInt64? = nil, sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () throws -> Void
    ) {
        let failure = #expect(throws: StorageFailure.self, sourceLocation: sourceLocation) { try body() }
        guard case .corruptReplica(let found, let foundIndex, _)? = failure else {
            Issue.record("\(String(describing: failure))", sourceLocation: sourceLocation)
            return
        }
        #expect(found == slot, sourceLocation: sourceLocation)
        #expect(foundIndex == index.map { LogIndex(rawValue: $0) }, sourceLocation: sourceLocation)
        #expect(failure?.isLocal == true, sourceLocation: sourceLocation)
    }

    @Test func anEntryThatIsNotWhatWasWrittenIsNamed() throws {
        let fixture = try StoreFixture(folder.path)
        var broken = LogWriterTests.append(5, slot: Self.slot)
        let at = broken.entry.readableBytes - 10
        broken.entry.setInteger(broken.entry.getInteger(at: at, as: UInt8.self)! ^ 1, at: at)
        // An entry of another place under this one's key.
        var misplaced = LogWriterTests.append(6, slot: Self.others[0])
        misplaced.slot = Self.slot
        fixture.append(Self.slot, 1...4)
        fixture.writer.writeAndWait([.append(broken), .append(misplaced)])
        fixture.append(Self.others[0], 1...6)
        let log = fixture.store.log
        #expect(try log.rawEntries(Self.slot, from: .zero, maximumBytes: 1).count == 1)
        expectCorrupt(index: 5) { _ = try log.rawEntries(Self.slot, from: .zero, maximumBytes: 1 << 20) }
        expectCorrupt(index: 5) { try log.entries(Self.slot, from: .zero) { _ in true } }
        expectCorrupt(index: 6) { _ = try log.last(Self.slot) }
        expectCorrupt(index: 6) { _ = try log.rawEntries(Self.slot, from: LogIndex(rawValue: 6), maximumBytes: 1) }
        #expect(try log.rawEntries(Self.others[0], from: .zero, maximumBytes: 1 << 20).count == 6)
        // It can be taken out and deleted.
        try fixture.store.delete([Self.slot], writer: fixture.writer)
        #expect(try log.last(Self.slot) == nil)
    }

    /// Breaks a byte in the middle of each table file of a folder that is at least so large.
    static func breakTables(_ path: String, atLeast size: Int) throws -> Int {
        var broken = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: path) where name.hasSuffix(".sst") {
            let url = URL(fileURLWithPath: path + "/" + name)
            var data = try Data(contentsOf: url)
            guard data.count >= size else { continue }
            data[data.count / 2] ^= 0xff
            try data.write(to: url)
            broken += 1
        }
        return broken
    }

    private func storeWithABrokenMiddle() throws -> StoreFixture {
        do {
            let fixture = try StoreFixture(folder.path)
            for slot in Self.others + [Self.slot] { try fixture.fill(slot, rows: 200, index: 7) }
        }
        // Each family's file holds the three slots one after the other: its middle is in the second.
        #expect(try Self.breakTables(folder.path + "/state", atLeast: 50_000) == Family.allCases.count)
        return try StoreFixture(folder.path)
    }

    @Test func aBrokenBlockOfTheStateIsOfTheSlotThatReadsIt() throws {
        let fixture = try storeWithABrokenMiddle()
        let state = fixture.store.state
        expectCorrupt {
            try state.scan(Self.slot, .message, from: [], upTo: [255]) { _, _ in true }
        }
        expectCorrupt { _ = try fixture.sums(Self.slot) }
        expectCorrupt {
            for row in 0..<200 { _ = try state.get(Self.slot, .message, [7, 0, UInt8(row), Family.message.rawValue]) }
        }
        expectCorrupt {
            let snapshot = try state.export(Self.slot)
            while try snapshot.nextPart() != nil {}
        }
        for other in Self.others { #expect(try fixture.sums(other)[.message]?.rows == 200) }
    }

    @Test func aBrokenBlockOfTheLogIsOfTheSlotThatReadsIt() throws {
        do {
            let fixture = try StoreFixture(folder.path)
            for slot in Self.others + [Self.slot] { fixture.append(slot, 1...400) }
        }
        do {
            // The write-ahead log of the first process becomes a table file of the second.
            let fixture = try StoreFixture(folder.path)
            fixture.append(Self.slot, 401...401)
        }
        #expect(try Self.breakTables(folder.path + "/log", atLeast: 4_000) == 1)
        let fixture = try StoreFixture(folder.path)
        expectCorrupt { _ = try fixture.store.log.rawEntries(Self.slot, from: .zero, maximumBytes: 1 << 20) }
        expectCorrupt { try fixture.store.log.positions(Self.slot, from: .zero) { _ in true } }
        for other in Self.others {
            #expect(try fixture.store.log.rawEntries(other, from: .zero, maximumBytes: 1 << 20).count == 400)
        }
        fixture.append(Self.others[0], 401...402)
    }
}

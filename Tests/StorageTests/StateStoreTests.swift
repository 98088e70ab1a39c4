import Domain
import Foundation
import Identity
import NIOCore
import Replication
import Storage
import Testing

@Suite struct StateStoreTests {
    static let slot = Slot(truncating: 255)

    static func put(_ family: Family, _ key: [UInt8], _ value: String) -> Entry.Operation {
        .put(family: family.rawValue, key: key, value: ByteBuffer(string: value))
    }

    static func apply(_ store: StateStore, _ operations: [Entry.Operation], slot: Slot = slot, index: UInt64) throws {
        let batch = store.makeBatch()
        try batch.add(operations, of: slot)
        batch.setApplied(
            .init(
                epoch: Epoch(rawValue: 1), index: LogIndex(rawValue: index), idMark: Snowflake(rawValue: index << 20)),
            of: slot)
        try store.write(batch)
    }

    static func keys(_ store: StateStore, _ slot: Slot, from: [UInt8], upTo: [UInt8], reverse: Bool = false) throws
        -> [[UInt8]]
    {
        var keys: [[UInt8]] = []
        try store.scan(slot, .message, from: from, upTo: upTo, reverse: reverse) { key, _ in
            keys.append(key)
            return true
        }
        return keys
    }

    @Test func scansItsRangeInBothDirectionsAndNeverAnotherSlot() throws {
        let folder = try TemporaryFolder()
        let store = try StateStore(path: folder.path + "/state")
        let next = Slot(truncating: 256)
        try Self.apply(store, [[1], [2], [2, 0], [3], [255, 255]].map { Self.put(.message, $0, "x") }, index: 1)
        try Self.apply(store, [Self.put(.message, [2], "y")], slot: next, index: 1)
        #expect(try Self.keys(store, Self.slot, from: [2], upTo: [3]) == [[2], [2, 0]])
        #expect(try Self.keys(store, Self.slot, from: [2], upTo: [3], reverse: true) == [[2, 0], [2]])
        #expect(try Self.keys(store, Self.slot, from: [], upTo: [255, 255, 255]).count == 5)
        #expect(try Self.keys(store, next, from: [], upTo: [255]) == [[2]])
        try Self.apply(
            store, [.deleteRange(family: Family.message.rawValue, from: [], upTo: [255, 255, 255])], index: 2)
        #expect(try Self.keys(store, Self.slot, from: [], upTo: [255, 255, 255]) == [])
        #expect(try Self.keys(store, next, from: [], upTo: [255]) == [[2]])
    }

    @Test func familiesAreApart() throws {
        let folder = try TemporaryFolder()
        let store = try StateStore(path: folder.path + "/state")
        try Self.apply(store, Family.allCases.map { Self.put($0, [9], "\($0)") }, index: 1)
        for family in Family.allCases {
            #expect(try store.get(Self.slot, family, [9]) == ByteBuffer(string: "\(family)"))
        }
    }

    @Test func aSnapshotDoesNotSeeWhatComesLater() throws {
        let folder = try TemporaryFolder()
        let store = try StateStore(path: folder.path + "/state")
        try Self.apply(store, [Self.put(.guild, [1], "old")], index: 1)
        let snapshot = store.snapshot(Self.slot)
        try Self.apply(store, [Self.put(.guild, [1], "new"), Self.put(.guild, [2], "new")], index: 2)
        #expect(try snapshot.get(.guild, [1]) == ByteBuffer(string: "old"))
        #expect(try snapshot.get(.guild, [2]) == nil)
    }

    @Test func refusesAFamilyThatItDoesNotKnow() throws {
        let folder = try TemporaryFolder()
        let store = try StateStore(path: folder.path + "/state")
        #expect(throws: StorageFailure.self) {
            try Self.apply(store, [.put(family: 77, key: [], value: ByteBuffer())], index: 1)
        }
    }

    @Test func theAppliedIndexCountsAsPersistedOnlyAfterAFlush() throws {
        let folder = try TemporaryFolder()
        let store = try StateStore(path: folder.path + "/state")
        try Self.apply(store, [Self.put(.guild, [1], "x")], index: 7)
        #expect(try store.applied(Self.slot).index == LogIndex(rawValue: 7))
        #expect(try store.applied(Self.slot).idMark == Snowflake(rawValue: 7 << 20))
        #expect(try store.persistedApplied(Self.slot) == .nothing)
        try store.flush()
        #expect(try store.persistedApplied(Self.slot).index == LogIndex(rawValue: 7))
        try Self.apply(store, [Self.put(.guild, [1], "y")], index: 8)
        #expect(try store.persistedApplied(Self.slot).index == LogIndex(rawValue: 7))
        // The flush leaves nothing behind and can be repeated.
        try store.flush()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["state"])
    }

    @Test func closingFlushes() throws {
        let folder = try TemporaryFolder()
        do {
            let store = try StateStore(path: folder.path + "/state")
            try Self.apply(store, [Self.put(.guild, [1], "x"), Self.put(.user, [1], "x")], index: 9)
        }
        let store = try StateStore(path: folder.path + "/state")
        #expect(try store.persistedApplied(Self.slot).index == LogIndex(rawValue: 9))
        #expect(try store.get(Self.slot, .user, [1]) == ByteBuffer(string: "x"))
    }

    /// Rows of all families and the applied index are of one moment, whichever memtable filled up first.
    @Test(arguments: [false, true])
    func aKillLeavesAllFamiliesAtOneAppliedIndex(afterFlush: Bool) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/state"
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, afterFlush = afterFlush as Bool] in
            var limits = StoreLimits()
            // Small, so that the database flushes on its own while the rows are written.
            limits.stateWriteBuffer = afterFlush ? 64 << 20 : 256 << 10
            let store = try StateStore(path: path, limits: limits)
            for index in UInt64(1)...5000 {
                let value = "\(index)" + String(repeating: "x", count: 200)
                try StateStoreTests.apply(
                    store,
                    [StateStoreTests.put(.guild, [1], "\(index)"), StateStoreTests.put(.index, [1], "\(index)")]
                        + (0..<3).map { StateStoreTests.put(.message, [UInt8(index % 251), $0], value) },
                    index: index)
                if afterFlush, index == 4000 { try store.flush() }
            }
            kill(getpid(), SIGKILL)
        }
        let store = try StateStore(path: path)
        let applied = try store.applied(Self.slot).index.rawValue
        #expect(applied > 0)
        if afterFlush { #expect(applied == 4000) } else { #expect(applied < 5000) }
        #expect(try store.get(Self.slot, .guild, [1]) == ByteBuffer(string: "\(applied)"))
        #expect(try store.get(Self.slot, .index, [1]) == ByteBuffer(string: "\(applied)"))
        let row = try store.get(Self.slot, .message, [UInt8(applied % 251), 2])
        #expect(row == ByteBuffer(string: "\(applied)" + String(repeating: "x", count: 200)))
    }
}

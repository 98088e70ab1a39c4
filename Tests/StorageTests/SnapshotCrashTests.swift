import Domain
import Foundation
import Identity
import Replication
import Testing

@testable import Storage

/// A kill at each step of installing a snapshot leaves the slot as it was, empty, or as the snapshot says: never a half.
@Suite struct SnapshotCrashTests {
    static let slot = Slot(truncating: 255)
    static let other = Slot(truncating: 256)

    /// - Parameter isSmall: whether the slot is one part of rows, not files.
    static func snapshot(from path: String, isSmall: Bool) throws -> (StoreFixture, SlotSnapshot) {
        let source = try StoreFixture(path)
        try source.fill(slot, rows: isSmall ? 20 : 200, index: 41)
        return (source, try source.store.state.export(slot, partBytes: isSmall ? 1 << 20 : 8 << 10))
    }

    @Test(arguments: SlotIngestion.Step.allCases, [false, true])
    func aKillAfterEachStep(_ step: SlotIngestion.Step, isSmall: Bool) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, step = step as SlotIngestion.Step, isSmall = isSmall as Bool] in
            let (source, snapshot) = try SnapshotCrashTests.snapshot(from: path + "/source", isSmall: isSmall)
            let destination = try StoreFixture(path + "/destination")
            for slot in [SnapshotCrashTests.slot, SnapshotCrashTests.other] {
                try destination.fill(slot, rows: 100, seed: 3, index: 77)
                destination.append(slot, 78...90)
            }
            try destination.store.state.flush()
            let (ingestion, parts) = try destination.receive(snapshot)
            _ = try ingestion.install(parts: parts) { if $0 == step { kill(getpid(), SIGKILL) } }
            withExtendedLifetime(source) {}
        }
        let (source, snapshot) = try Self.snapshot(from: folder.path + "/again", isSmall: isSmall)
        let destination = try StoreFixture(folder.path + "/destination")
        #expect(try destination.store.log.markers() == [:])
        #expect(try destination.store.log.last(Self.slot) == nil)
        if step == .ready {
            #expect(destination.store.wiped == [])
            #expect(try destination.store.state.persistedApplied(Self.slot).index == LogIndex(rawValue: 41))
            #expect(try destination.sums(Self.slot) == source.sums(Self.slot))
        } else {
            #expect(destination.store.wiped == [Self.slot])
            #expect(try destination.store.state.applied(Self.slot) == .nothing)
            #expect(try destination.sums(Self.slot).values.allSatisfy { $0.rows == 0 })
        }
        // The other slot has all it had.
        #expect(try destination.store.state.applied(Self.other).index == LogIndex(rawValue: 77))
        #expect(try destination.store.log.last(Self.other)?.index == LogIndex(rawValue: 90))
        #expect(try destination.sums(Self.other)[.message]?.rows == 100)
        // Files of the reception are gone, and it can begin again.
        #expect(!FileManager.default.fileExists(atPath: destination.store.state.incomingFolder))
        let (ingestion, parts) = try destination.receive(snapshot)
        _ = try ingestion.install(parts: parts)
        #expect(try destination.sums(Self.slot) == source.sums(Self.slot))
    }

    @Test func aKillWhileReceivingLeavesTheSlotAsItWas() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let (source, snapshot) = try SnapshotCrashTests.snapshot(from: path + "/source", isSmall: false)
            let destination = try StoreFixture(path + "/destination")
            try destination.fill(SnapshotCrashTests.slot, rows: 100, seed: 3, index: 77)
            destination.append(SnapshotCrashTests.slot, 78...90)
            try destination.store.state.flush()
            _ = try destination.receive(snapshot)
            _ = withExtendedLifetime(source) { kill(getpid(), SIGKILL) }
        }
        let destination = try StoreFixture(folder.path + "/destination")
        #expect(destination.store.wiped == [])
        #expect(try destination.store.state.applied(Self.slot).index == LogIndex(rawValue: 77))
        #expect(try destination.sums(Self.slot)[.message]?.rows == 100)
        #expect(try destination.store.log.last(Self.slot)?.index == LogIndex(rawValue: 90))
        #expect(!FileManager.default.fileExists(atPath: destination.store.state.incomingFolder))
    }

    /// The log of a slot that came as a snapshot goes on from there, whatever of both was flushed.
    @Test(arguments: [false, true], [false, true])
    func aKillAfterMoreWasAppliedTakesNothingOfTheSnapshot(isSmall: Bool, isFlushed: Bool) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, isSmall = isSmall as Bool, isFlushed = isFlushed as Bool] in
            let (source, snapshot) = try SnapshotCrashTests.snapshot(from: path + "/source", isSmall: isSmall)
            let destination = try StoreFixture(path + "/destination")
            let (ingestion, parts) = try destination.receive(snapshot)
            _ = try ingestion.install(parts: parts)
            destination.append(SnapshotCrashTests.slot, 42...43)
            try destination.apply(SnapshotCrashTests.slot, [StateStoreTests.put(.guild, [1], "more")], index: 42)
            // Not by `Store.flush`: the note of the snapshot stays.
            if isFlushed { try destination.store.state.flush() }
            _ = withExtendedLifetime(source) { kill(getpid(), SIGKILL) }
        }
        let (source, _) = try Self.snapshot(from: folder.path + "/again", isSmall: isSmall)
        let destination = try StoreFixture(folder.path + "/destination")
        #expect(try destination.store.log.installedSnapshots().isEmpty)
        #expect(try destination.store.log.last(Self.slot)?.index == LogIndex(rawValue: 43))
        let applied = try destination.store.state.persistedApplied(Self.slot).index
        #expect(applied == LogIndex(rawValue: isFlushed ? 42 : 41))
        if isFlushed { try source.apply(Self.slot, [StateStoreTests.put(.guild, [1], "more")], index: 42) }
        #expect(try destination.sums(Self.slot) == source.sums(Self.slot))
    }

    @Test func aFlushForgetsTheSnapshotsThatWereThereWhenItBegan() throws {
        let folder = try TemporaryFolder()
        let (source, snapshot) = try Self.snapshot(from: folder.path + "/source", isSmall: true)
        let destination = try StoreFixture(folder.path + "/destination")
        let (ingestion, parts) = try destination.receive(snapshot)
        _ = try ingestion.install(parts: parts)
        // It is installed again while the flush runs.
        try destination.store.state.unflushed.flushing(destination.writer) { () throws(StorageFailure) in
            do {
                let (again, parts) = try destination.receive(try source.store.state.export(Self.slot))
                _ = try again.install(parts: parts)
            } catch {
                throw .rocksDB("\(error)")
            }
        }
        destination.writer.writeAndWait([.know(Self.other, .zero)])
        #expect(try destination.store.log.installedSnapshots().map(\.head.slot) == [Self.slot])
        try destination.store.flush(destination.writer)
        destination.writer.writeAndWait([.know(Self.other, .zero)])
        #expect(try destination.store.log.installedSnapshots().isEmpty)
        #expect(try destination.store.state.persistedApplied(Self.slot).index == LogIndex(rawValue: 41))
    }

    /// A kill between the marker and the end of a deletion.
    @Test func aDeletionThatWasCutOffIsFinishedAtStart() throws {
        let folder = try TemporaryFolder()
        do {
            let fixture = try StoreFixture(folder.path)
            for slot in [Self.slot, Self.other] {
                try fixture.fill(slot, rows: 100, index: 77)
                fixture.append(slot, 78...90)
            }
            fixture.writer.writeAndWait([.mark(Self.slot, .deleting), .mark(Self.other, .corrupt)])
        }
        let fixture = try StoreFixture(folder.path)
        #expect(fixture.store.wiped == [Self.slot])
        #expect(try fixture.sums(Self.slot).values.allSatisfy { $0.rows == 0 })
        #expect(try fixture.store.log.last(Self.slot) == nil)
        // A corrupt replica is nobody's to wipe unasked: it may be the last one.
        #expect(try fixture.store.log.markers() == [Self.other: .corrupt])
        #expect(try fixture.sums(Self.other)[.message]?.rows == 100)
    }
}

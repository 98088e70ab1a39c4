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

    static func snapshot(from path: String) throws -> (StoreFixture, SlotSnapshot) {
        let source = try StoreFixture(path)
        try source.fill(slot, rows: 200, index: 41)
        return (source, try source.store.state.export(slot, partBytes: 8 << 10))
    }

    @Test(arguments: SlotIngestion.Step.allCases)
    func aKillAfterEachStep(_ step: SlotIngestion.Step) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, step = step as SlotIngestion.Step] in
            let (source, snapshot) = try SnapshotCrashTests.snapshot(from: path + "/source")
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
        let (source, snapshot) = try Self.snapshot(from: folder.path + "/again")
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
            let (source, snapshot) = try SnapshotCrashTests.snapshot(from: path + "/source")
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

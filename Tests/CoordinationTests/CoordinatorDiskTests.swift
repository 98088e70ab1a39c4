import Foundation
import NIOCore
import Testing

@testable import Coordination

/// A folder that goes with the test.
final class Folder: Sendable {
    let path = NSTemporaryDirectory() + "coordinator-\(UUID().uuidString)"
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }
    func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: file(name))) }
    func write(_ bytes: Data, to name: String) throws { try bytes.write(to: URL(fileURLWithPath: file(name))) }
    var names: Set<String> { Set((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []) }
}

extension EmbeddedCoordinator {
    func put(_ key: String, _ value: String, lease: CoordinatorLease? = nil) throws -> UInt64? {
        try commit(CoordinatorTransaction(operations: [.put(key, ByteBuffer(string: value), lease: lease)]))
    }

    var contents: [String: String] {
        get throws {
            Dictionary(uniqueKeysWithValues: try list(prefix: "").entries.map { ($0.key, String(buffer: $0.value)) })
        }
    }
}

@Suite(.timeLimit(.minutes(5))) struct CoordinatorDiskTests {
    /// Writes `count` keys and closes.
    private func fill(_ folder: Folder, _ count: Int) async throws {
        let coordinator = try EmbeddedCoordinator(directory: folder.path)
        for number in 0..<count { _ = try await coordinator.put("k\(number)", "value \(number)") }
        await coordinator.close()
    }

    @Test func whatWasAcknowledgedIsThereAfterARestart() async throws {
        let folder = Folder()
        try await fill(folder, 20)
        let coordinator = try EmbeddedCoordinator(directory: folder.path)
        #expect(try await coordinator.contents.count == 20)
        #expect(try await coordinator.get("k7")?.revision == 8)
        #expect(try await coordinator.put("more", "x") == 21)
    }

    @Test func aWatchGoesOnOverARestart() async throws {
        let folder = Folder()
        try await fill(folder, 5)
        let coordinator = try EmbeddedCoordinator(directory: folder.path)
        var keys: [String] = []
        for try await change in coordinator.watch(prefix: "", after: 3) {
            keys.append(change.key)
            if keys.count == 2 { break }
        }
        #expect(keys == ["k3", "k4"])
    }

    @Test func leasesSurviveARestartWithTheirFullTime() async throws {
        let folder = Folder()
        var settings = EmbeddedCoordinator.Settings()
        // The clock's jumps are no stalls.
        settings.longestStall = .seconds(86_400)
        let clock = ManualClock()
        let first = try EmbeddedCoordinator(directory: folder.path, settings: settings, clock: clock.leases)
        let lease = try await first.grantLease(.seconds(10))
        _ = try await first.put("node", "x", lease: lease)
        await first.close()
        // The coordinator is away for longer than the lease.
        clock.advance(by: .seconds(11))
        let second = try EmbeddedCoordinator(directory: folder.path, settings: settings, clock: clock.leases)
        #expect(try await second.contents == ["node": "x"])
        try await second.keepAlive(lease)
        // Without being kept alive it ends.
        clock.advance(by: .seconds(10))
        for try await change in second.watch(prefix: "node", after: 1) {
            #expect(change.value == nil)
            break
        }
        let next = try await second.grantLease(.seconds(1))
        #expect(next.id > lease.id)
    }

    @Test func aSecondProcessIsKeptOut() async throws {
        let folder = Folder()
        let first = try EmbeddedCoordinator(directory: folder.path)
        #expect(throws: CoordinatorDiskFailure.inUse(path: folder.path)) {
            try EmbeddedCoordinator(directory: folder.path)
        }
        await first.close()
        _ = try EmbeddedCoordinator(directory: folder.path)
    }

    @Test func compactionKeepsTheStateAndFreesTheJournal() async throws {
        let folder = Folder()
        var settings = EmbeddedCoordinator.Settings()
        settings.compactionRecords = 10
        let first = try EmbeddedCoordinator(directory: folder.path, settings: settings)
        let lease = try await first.grantLease(.seconds(60))
        for number in 0..<35 { _ = try await first.put("k\(number % 7)", "\(number)", lease: lease) }
        let before = try await first.list(prefix: "")
        await first.close()
        #expect(folder.names == ["lock", "snapshot", "journal-3"])
        let second = try EmbeddedCoordinator(directory: folder.path, settings: settings)
        #expect(try await second.list(prefix: "") == before)
        try await second.revoke(lease)
        #expect(try await second.contents.isEmpty)
    }

    @Test func everyTornTailIsCutOffAndWrittenOver() async throws {
        let folder = Folder()
        try await fill(folder, 3)
        let whole = try folder.bytes("journal-0")
        try await fill(folder, 4)
        let longer = try folder.bytes("journal-0")
        // `fill` writes four more; the first of them is the record that is torn.
        let record = CoordinatorJournal.frame(
            CoordinatorRecord.commit(
                revision: 4, [.init(key: "k0", value: ByteBuffer(string: "value 0"), lease: nil)]
            ).encoded()
        ).readableBytes
        for length in 1..<record {
            try folder.write(longer.prefix(whole.count + length), to: "journal-0")
            let coordinator = try EmbeddedCoordinator(directory: folder.path)
            #expect(try await coordinator.list(prefix: "").revision == 3)
            #expect(try await coordinator.put("after", "x") == 4)
            await coordinator.close()
            let again = try EmbeddedCoordinator(directory: folder.path)
            #expect(try await again.contents["after"] == "x")
            await again.close()
        }
    }

    @Test func aTailOfZerosIsATornTail() async throws {
        let folder = Folder()
        try await fill(folder, 3)
        try folder.write(try folder.bytes("journal-0") + Data(count: 4096), to: "journal-0")
        let coordinator = try EmbeddedCoordinator(directory: folder.path)
        #expect(try await coordinator.contents.count == 3)
    }

    @Test func damageInTheMiddleIsRefusedWhereverItIs() async throws {
        let folder = Folder()
        try await fill(folder, 4)
        let good = try folder.bytes("journal-0")
        let last = CoordinatorJournal.frame(
            CoordinatorRecord.commit(
                revision: 4, [.init(key: "k3", value: ByteBuffer(string: "value 3"), lease: nil)]
            ).encoded()
        ).readableBytes
        for position in 0..<good.count - last {
            var bad = good
            bad[position] ^= 0x10
            try folder.write(bad, to: "journal-0")
            #expect(throws: CoordinatorDiskFailure.self, "byte \(position)") {
                try EmbeddedCoordinator(directory: folder.path)
            }
        }
        try folder.write(good, to: "journal-0")
        #expect(try await EmbeddedCoordinator(directory: folder.path).contents.count == 4)
    }

    @Test func aDamagedSnapshotIsRefused() async throws {
        let folder = Folder()
        var settings = EmbeddedCoordinator.Settings()
        settings.compactionRecords = 2
        let first = try EmbeddedCoordinator(directory: folder.path, settings: settings)
        for number in 0..<3 { _ = try await first.put("k\(number)", "x") }
        await first.close()
        let good = try folder.bytes("snapshot")
        for position in good.indices {
            var bad = good
            bad[position] ^= 1
            try folder.write(bad, to: "snapshot")
            #expect(throws: CoordinatorDiskFailure.self, "byte \(position)") {
                try EmbeddedCoordinator(directory: folder.path)
            }
        }
    }

    @Test func aMissingFileIsRefused() async throws {
        let folder = Folder()
        var settings = EmbeddedCoordinator.Settings()
        settings.compactionRecords = 2
        let first = try EmbeddedCoordinator(directory: folder.path, settings: settings)
        for number in 0..<3 { _ = try await first.put("k\(number)", "x") }
        await first.close()
        let snapshot = try folder.bytes("snapshot")
        try FileManager.default.removeItem(atPath: folder.file("snapshot"))
        #expect(throws: CoordinatorDiskFailure.self) { try EmbeddedCoordinator(directory: folder.path) }
        try folder.write(snapshot, to: "snapshot")
        try FileManager.default.removeItem(atPath: folder.file("journal-1"))
        #expect(throws: CoordinatorDiskFailure.self) { try EmbeddedCoordinator(directory: folder.path) }
    }

    @Test(arguments: [false, true])
    func anInterruptedCompactionIsAsIfItHadNotBegunOrHadEnded(wasRenamed: Bool) async throws {
        let folder = Folder()
        try await fill(folder, 3)
        let journal = try folder.bytes("journal-0")
        // The next generation's journal exists; its snapshot is, or is not, in place yet.
        try folder.write(Data(CoordinatorJournal.header(.journal, generation: 1).readableBytesView), to: "journal-1")
        if wasRenamed {
            var state = EmbeddedCoordinatorState()
            for record in try CoordinatorJournal.scan(ByteBuffer(bytes: journal.dropFirst(20)), file: "").records {
                try state.apply(record, now: .zero)
            }
            var snapshot = CoordinatorJournal.header(.snapshot, generation: 1)
            snapshot.writeImmutableBuffer(CoordinatorJournal.frame(state.snapshot.encoded()))
            try folder.write(Data(snapshot.readableBytesView), to: "snapshot")
        } else {
            try folder.write(Data([1, 2, 3]), to: "snapshot.new")
        }
        let coordinator = try EmbeddedCoordinator(directory: folder.path)
        #expect(try await coordinator.contents.count == 3)
        #expect(folder.names.contains(wasRenamed ? "journal-1" : "journal-0"))
        #expect(!folder.names.contains(wasRenamed ? "journal-0" : "journal-1"))
    }

    @Test(arguments: ["journal-0", "snapshot"])
    func aNewerFormatIsRefused(file: String) async throws {
        let folder = Folder()
        try await fill(folder, 1)
        var header = CoordinatorJournal.header(file == "snapshot" ? .snapshot : .journal, generation: 0)
        header.setInteger(UInt32(2), at: 8, endianness: .little)
        try folder.write(Data(header.readableBytesView), to: file)
        #expect(throws: CoordinatorDiskFailure.newerFormat(found: 2, supported: 1)) {
            try EmbeddedCoordinator(directory: folder.path)
        }
    }

    @Test func theSecretIsReadableByTheOwnerAlone() async throws {
        let folder = Folder()
        try await fill(folder, 1)
        for name in folder.names {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.file(name))
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600, "\(name)")
        }
    }

    @Test func aFullDiskStopsTheCoordinatorAndLosesNothing() async throws {
        let folder = Folder()
        try await fill(folder, 2)
        let failures = AsyncStream<CoordinatorDiskFailure>.makeStream()
        let coordinator = try EmbeddedCoordinator(directory: folder.path) { failures.continuation.yield($0) }
        try await coordinator.failDisk()
        await #expect(throws: CoordinatorFailure.self) { try await coordinator.put("k2", "x") }
        var seen = failures.stream.makeAsyncIterator()
        #expect(await seen.next() != nil)
        // Nothing is served any more, not even what is in memory.
        await #expect(throws: CoordinatorFailure.self) { try await coordinator.get("k0") }
        await coordinator.close()
        #expect(try await EmbeddedCoordinator(directory: folder.path).contents.count == 2)
    }
}

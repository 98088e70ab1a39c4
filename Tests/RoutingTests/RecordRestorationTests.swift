import Coordination
import Foundation
import Identity
import NIOCore
import Placement
import Routing
import Testing

@Suite(.timeLimit(.minutes(2))) struct RecordRestorationTests {
    private let record = ClusterRecord.new(isTest: true, createdAt: Timestamp(milliseconds: 5))

    private func restore(_ fixture: CoordinatorFixture) async throws -> RecordRestoration.Outcome {
        try await RecordRestoration(coordinator: fixture.embedded).run(record)
    }

    @Test func anEmptyCoordinatorGetsTheRecordAndTheMarkThatTheMapIsToBeRebuilt() async throws {
        let fixture = try CoordinatorFixture(.embedded)
        #expect(try await restore(fixture) == .restored)
        #expect(try await ClusterRecord.find(in: fixture.embedded) == record)
        #expect(try await fixture.embedded.get(CoordinatorKey.rebuilding) != nil)
        #expect(try await restore(fixture) == .wasThere)
    }

    @Test func aClusterThatARouterMadeInAnEmptyCoordinatorIsReplacedButNoneWithAShardMap() async throws {
        let fixture = try CoordinatorFixture(.embedded)
        let other = try await ClusterRecord.loadOrCreate(
            in: fixture.embedded, isTest: nil, now: Timestamp(milliseconds: 1))
        #expect(try await restore(fixture) == .replaced(other.id))
        #expect(try await ClusterRecord.find(in: fixture.embedded) == record)

        let full = try CoordinatorFixture(.embedded)
        let kept = try await ClusterRecord.loadOrCreate(in: full.embedded, isTest: nil, now: Timestamp(milliseconds: 1))
        let row = ShardMapRow(
            slot: Slot(truncating: 3), epoch: Epoch(rawValue: 1), primary: NodeID(rawValue: "g1")!, inSync: [])
        _ = try await full.embedded.commit(
            CoordinatorTransaction(operations: [.put(CoordinatorKey.slot(row.slot), row.encoded(), lease: nil)]))
        await #expect(throws: ClusterFailure.self) { _ = try await restore(full) }
        #expect(try await ClusterRecord.find(in: full.embedded) == kept)
    }

    @Test func aMigrationIsNotMixedWithIt() async throws {
        for key in [CoordinatorKey.movedTo, CoordinatorKey.arriving] {
            let fixture = try CoordinatorFixture(.embedded)
            _ = try await fixture.embedded.put(key, "x")
            await #expect(throws: ClusterFailure.self) { _ = try await restore(fixture) }
        }
    }

    @Test func aGuildNodesCopyIsForItsOwnerAlone() throws {
        let folder = NSTemporaryDirectory() + "record-copy-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let copy = ClusterRecordCopy(folder: folder)
        #expect(try copy.read() == nil)
        try copy.keep(record)
        var newer = record
        newer.dataFormat = 7
        try copy.keep(newer)
        #expect(try copy.read() == newer)
        let attributes = try FileManager.default.attributesOfItem(atPath: folder + "/CLUSTER")
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        try Data("rubbish".utf8).write(to: URL(fileURLWithPath: folder + "/CLUSTER"))
        #expect(throws: ClusterFailure.self) { try copy.read() }
    }

    @Test func anInventoryComesBackAsItWasSent() throws {
        let slot = Slot(truncating: 9)
        let row = ShardMapRow(
            slot: slot, epoch: Epoch(rawValue: 4), primary: NodeID(rawValue: "g1")!, inSync: [NodeID(rawValue: "g1")!])
        let inventory = NodeInventory(
            cluster: "c", store: "s",
            slots: [
                SlotInventory(
                    slot: slot, knownEpoch: Epoch(rawValue: 5), row: row, lastEpoch: Epoch(rawValue: 3),
                    lastIndex: LogIndex(rawValue: 70)),
                SlotInventory(slot: Slot(truncating: 10), damage: "it is marked"),
            ])
        #expect(try NodeInventory(decoding: inventory.encoded()) == inventory)
        #expect(inventory.slots[0].isSound && inventory.slots[0].highestEpoch == Epoch(rawValue: 5))
        #expect(!inventory.slots[1].isSound)
    }
}

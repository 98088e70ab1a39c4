import Coordination
import Foundation
import Identity
import NIOCore
import Placement
import Testing

@testable import Control

@Suite("The controller's store", .timeLimit(.minutes(2))) struct ControlStoreTests {
    private static let node = NodeID(rawValue: "guild-1")!

    private static func row(_ slot: Int, epoch: UInt64) -> ShardMapRow {
        ShardMapRow(
            slot: Slot(truncating: UInt64(slot)), epoch: Epoch(rawValue: epoch), primary: node, inSync: [node])
    }

    @Test("rows that still stand are changed, however many they are", arguments: [1, 3, 16, 17, 200])
    func rowsThatStandAreChanged(count: Int) async throws {
        let folder = NSTemporaryDirectory() + "control-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let coordinator = try EmbeddedCoordinator(directory: folder)
        let store = ControlStore(coordinator: coordinator)
        for slot in 0..<count {
            let row = Self.row(slot, epoch: 1)
            #expect(try await store.write(CoordinatorKey.slot(row.slot), row, over: 0))
        }
        // The first has been changed by somebody else, and one does not exist.
        let first = Self.row(0, epoch: 7)
        #expect(
            try await store.commit(
                [], [.put(CoordinatorKey.slot(first.slot), first.encoded(), lease: nil)]))
        let changes = (0...count).map { (expected: Self.row($0, epoch: 1), new: Self.row($0, epoch: 2)) }
        #expect(try await store.swap(changes) == count - 1)
        for slot in 0...count {
            let epoch = try await store.read(CoordinatorKey.slot(Slot(truncating: UInt64(slot))), ShardMapRow.self)
                .value?.epoch.rawValue
            #expect(epoch == (slot == 0 ? 7 : slot == count ? nil : 2))
        }
        await coordinator.close()
    }
}

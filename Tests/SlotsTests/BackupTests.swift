import Backup
import Identity
import NIOCore
import ObjectStore
import Testing
import Wire

@testable import Slots

/// Slots that are backed up at different moments, and restored: each effect of one on another is there once.
@Suite(.timeLimit(.minutes(10))) struct BackupTests {
    static let other = Slot(truncating: 300)
    static let slots = [TestNode.slot, other]

    /// A node and the store that its slots are backed up to.
    struct Scene {
        let node: TestNode
        let catalog: BackupCatalog

        func backup(_ id: BackupID, _ slot: Slot, parent: BackupID? = nil) -> SlotBackup {
            SlotBackup(
                node: node.node, catalog: catalog, id: id, parent: parent, slot: slot, cluster: TestNode.cluster,
                clock: node.clock, pace: Pace(bytesPerSecond: 0), progress: BackupProgress())
        }

        func restore(_ id: BackupID, _ slot: Slot) -> SlotRestore {
            SlotRestore(
                node: node.node, caller: node.caller, catalog: catalog, id: id, slot: slot,
                pace: Pace(bytesPerSecond: 0), progress: BackupProgress())
        }

        func restoreAll(_ id: BackupID) async throws {
            for slot in slots { _ = try await restore(id, slot).check() }
            for slot in slots { _ = try await restore(id, slot).load() }
            for slot in slots { _ = try await restore(id, slot).finish() }
        }

        func backupAll(_ id: BackupID, parent: BackupID? = nil) async throws {
            for slot in slots { _ = try await backup(id, slot, parent: parent).rows() }
            for slot in slots { _ = try await backup(id, slot, parent: parent).entries() }
        }
    }

    func withScenes(_ body: (_ source: Scene, _ target: Scene) async throws -> Void) async throws {
        let (old, new, store) = (try TemporaryFolder(), try TemporaryFolder(), try TemporaryFolder())
        let catalog = BackupCatalog(store: DiskObjectStore(folder: store.path))
        var limits = SlotLimits()
        limits.outboxFirstPause = .milliseconds(2)
        let source = Scene(node: try await TestNode(old.path, slots: Self.slots, limits: limits), catalog: catalog)
        let target = Scene(
            node: try await TestNode(new.path, slots: Self.slots, limits: limits), catalog: catalog)
        try await body(source, target)
        await source.node.close()
        await target.node.close()
    }

    func id(_ text: String) throws -> BackupID { try #require(BackupID(text)) }

    func send(_ count: Int, from scene: Scene) async throws {
        _ = try await scene.node.text("send", ["slot": "300"], body: "\(count)")
    }

    @Test func effectsThatTheOtherSlotLacksAreDeliveredOnce() async throws {
        try await withScenes { source, target in
            let id = try id("a")
            try await send(3, from: source)
            #expect(try await source.node.reaches("effects", 3, slot: Self.other))
            for slot in Self.slots { _ = try await source.backup(id, slot).rows() }
            // The other slot's backup ends here; what follows was delivered and acknowledged where it came from.
            _ = try await source.backup(id, Self.other).entries()
            try await send(40, from: source)
            #expect(try await source.node.reaches("effects", 43, slot: Self.other))
            try await send(1, from: source)
            #expect(try await source.node.reaches("effects", 44, slot: Self.other))
            _ = try await source.backup(id, TestNode.slot).entries()

            try await target.restoreAll(id)
            #expect(try await target.node.counter("effects", slot: Self.other) == 44)
            #expect(try await target.node.counter("disorder", slot: Self.other) == 0)
            // Each step may be done again.
            try await target.restoreAll(id)
            #expect(try await target.node.counter("effects", slot: Self.other) == 44)
            // New ones are not taken for old ones.
            try await send(5, from: target)
            #expect(try await target.node.reaches("effects", 49, slot: Self.other))
        }
    }

    @Test func effectsThatTheOtherSlotHasAreNotDeliveredAgain() async throws {
        try await withScenes { source, target in
            let id = try id("a")
            source.node.caller.losses.withLock { $0 = 1_000_000 }
            try await send(20, from: source)
            // Delivered, and not known to be: the answers are lost.
            #expect(try await source.node.reaches("effects", 20, slot: Self.other))
            try await source.backupAll(id)
            try await target.restoreAll(id)
            #expect(try await target.node.counter("effects", slot: Self.other) == 20)
            try await send(1, from: target)
            #expect(try await target.node.reaches("effects", 21, slot: Self.other))
        }
    }

    @Test func aChainOfIncrementalBackupsHoldsEverything() async throws {
        try await withScenes { source, target in
            let ids = [try id("a"), try id("b"), try id("c")]
            for (number, id) in ids.enumerated() {
                try await send(10, from: source)
                for _ in 0..<50 { _ = try await source.node.text("increment", ["name": "x"]) }
                #expect(try await source.node.reaches("effects", 10 * (number + 1), slot: Self.other))
                try await source.backupAll(id, parent: number == 0 ? nil : ids[number - 1])
                let manifest = try await source.catalog.slotManifest(id, TestNode.slot)
                #expect(manifest.parent == (number == 0 ? nil : ids[number - 1]))
                #expect(manifest.isReconcilable)
            }
            try await target.restoreAll(ids[2])
            #expect(try await target.node.counter("x") == 150)
            #expect(try await target.node.counter("effects", slot: Self.other) == 30)
        }
    }

    @Test func aBackupOfAnotherLifeOfTheDataIsNotBuiltOn() async throws {
        try await withScenes { source, target in
            let (first, second) = (try id("a"), try id("b"))
            _ = try await source.node.text("increment", ["name": "x"])
            try await source.backupAll(first)
            try await target.restoreAll(first)
            try await target.backupAll(second, parent: first)
            #expect(try await target.catalog.slotManifest(second, TestNode.slot).parent == nil)
        }
    }

    @Test func aSlotThatHoldsAnythingIsRefusedAndStaysAsItIs() async throws {
        try await withScenes { source, target in
            let id = try id("a")
            _ = try await source.node.text("increment", ["name": "x"])
            try await source.backupAll(id)
            _ = try await target.node.text("increment", ["name": "y"])
            await #expect(throws: BackupFailure.self) { try await target.restore(id, TestNode.slot).check() }
            await #expect(throws: (any Error).self) { try await target.restore(id, TestNode.slot).load() }
            #expect(try await target.node.counter("x") == 0)
            #expect(try await target.node.counter("y") == 1)
        }
    }

    @Test func idsGoOnAboveAllThatTheSlotHadGiven() async throws {
        try await withScenes { source, target in
            let id = try id("a")
            // The former cluster's clock was an hour ahead.
            source.node.clock.offset = .seconds(3_600)
            let last = try #require(UInt64(try await source.node.text("write")))
            try await source.backupAll(id)
            try await target.restoreAll(id)
            #expect(try #require(UInt64(try await target.node.text("write"))) > last)
        }
    }

    /// After a crash the store's rows are older than what was acknowledged, until the slot's log has been replayed.
    @Test func aSlotThatDoesNotServeYetIsNotBackedUp() async throws {
        let (folder, store) = (try TemporaryFolder(), try TemporaryFolder())
        let scene = Scene(
            node: try await TestNode(folder.path, slots: [TestNode.slot]),
            catalog: BackupCatalog(store: DiskObjectStore(folder: store.path)))
        let id = try id("a")
        await #expect(throws: SlotNotServed.self) { try await scene.backup(id, Self.other).rows() }
        await #expect(throws: SlotNotServed.self) { try await scene.backup(id, Self.other).entries() }
        await #expect(throws: SlotNotServed.self) { try await scene.restore(id, Self.other).check() }
        await scene.node.close()
    }

    @Test func workGoesOnInTheRestoredSlot() async throws {
        try await withScenes { source, target in
            let id = try id("a")
            _ = try await source.node.text("work", body: "3000")
            try await source.backupAll(id)
            try await target.restoreAll(id)
            #expect(try await target.node.reaches("steps", 3_000))
        }
    }
}

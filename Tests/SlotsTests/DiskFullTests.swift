import Foundation
import Identity
import NIOCore
import Placement
import Storage
import Synchronization
import Testing
import Wire

@testable import Slots

/// A disk of 1,000 MB of which tests say how much is in use.
private final class TestDisk: Sendable {
    private let used: Mutex<Int>

    init(used: Int) { self.used = Mutex(used) }

    func use(_ megabytes: Int) { used.withLock { $0 = megabytes } }

    var disk: GuildRole.Disk {
        var disk = GuildRole.Disk()
        disk.limits.ballast = 8 << 20
        disk.space = { [self] _ in
            let used = used.withLock { $0 }
            return (used << 20, (1000 - used) << 20)
        }
        return disk
    }
}

@Suite(.timeLimit(.minutes(5))) struct DiskFullTests {
    private var limits: SlotLimits {
        var limits = SlotLimits.prompt
        limits.diskChecking = .milliseconds(10)
        return limits
    }

    private func isFull(_ cluster: ReplicaCluster, _ node: ReplicaNode) -> Bool {
        cluster.router.node(node.id)?.isDiskFull ?? false
    }

    private func until(_ condition: () async throws -> Bool) async throws {
        while try await !condition() { try await Task.sleep(for: .milliseconds(10)) }
    }

    private func perform(_ node: ReplicaNode, _ operation: String, epoch: Epoch) async throws -> SlotReply {
        let request = RestRequest(operation: operation, parameters: ["name": "a"], body: ByteBuffer(string: "x"))
        let id = RequestID(mintedMilliseconds: UInt64(WallClock().now().milliseconds), random: .random(in: 0 ... .max))
        let slots = try #require(node.role.slotNode)
        return await slots.perform(
            SlotCall(
                slot: ReplicaCluster.slot, epoch: epoch, requestID: id, kind: .rest, body: request.encoded()),
            deadline: .now() + .seconds(60))
    }

    @Test func aNodeWhoseDiskIsNearlyFullTakesNoWritesSaysSoAndRecovers() async throws {
        let cluster = try await ReplicaCluster()
        let disk = TestDisk(used: 500)
        let node = try await cluster.start("a", limits: limits, disk: disk.disk)
        let ballast = cluster.folder.path + "/a/BALLAST"
        try await cluster.write { row in (row.primary, row.inSync) = (node.id, [node.id]) }
        #expect(try await cluster.text("increment", ["name": "a"]).hasPrefix("1 "))
        #expect(FileManager.default.fileExists(atPath: ballast))

        disk.use(960)
        try await until { isFull(cluster, node) }
        let epoch = try await cluster.row().epoch
        guard case .unavailable(let reason) = try await perform(node, "increment", epoch: epoch) else {
            Issue.record("a write is taken")
            return
        }
        #expect(reason == "the disk of a is nearly full (96 %): it takes no writes")
        #expect(try await cluster.text("get", ["name": "a"]) == "1", "reads go on")
        #expect(await node.role.unreadiness() == reason)
        let told = try #require(await node.role.slotNode?.status().disk)
        #expect(told == NodeStatus.Disk(used: 960 << 20, available: 40 << 20))
        #expect(!FileManager.default.fileExists(atPath: ballast), "its space is given up")

        disk.use(500)
        try await until { !isFull(cluster, node) }
        #expect(try await cluster.text("increment", ["name": "a"]).hasPrefix("2 "))
        #expect(FileManager.default.fileExists(atPath: ballast))
        #expect(await node.role.unreadiness() == nil)
        await node.close()
        try await cluster.close()
    }

    @Test func aStoreIsNotOpenedWithoutSpaceAndTheReasonIsSaid() async throws {
        let cluster = try await ReplicaCluster()
        let disk = TestDisk(used: 1000)
        let failure = await #expect(throws: StorageFailure.self) {
            _ = try await cluster.start("a", limits: limits, disk: disk.disk)
        }
        #expect("\(try #require(failure))".hasPrefix("the disk is full: free space on it"))
        disk.use(900)
        let node = try await cluster.start("a", limits: limits, disk: disk.disk)
        await node.close()
        try await cluster.close()
    }

    @Test func aBackupWhoseDiskIsNearlyFullGoesOnTakingEntries() async throws {
        let cluster = try await ReplicaCluster()
        let disk = TestDisk(used: 960)
        let nodes = [
            try await cluster.start("a", limits: limits), try await cluster.start("b", limits: limits, disk: disk.disk),
        ]
        try await until { isFull(cluster, nodes[1]) }
        try await cluster.write { row in
            (row.primary, row.inSync, row.learners) = (nodes[0].id, [nodes[0].id], [nodes[1].id])
        }
        try await cluster.until { $0.inSync.count == 2 && $0.minimum == 2 }
        #expect(try await cluster.text("increment", ["name": "a"]).hasPrefix("1 "))
        for node in nodes { await node.close() }
        try await cluster.close()
    }
}

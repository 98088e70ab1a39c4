import Coordination
import Foundation
import Identity
import Logging
import NIOCore
import NIOPosix
import Placement
import Routing
import Synchronization
import Testing
import Transport
import Wire

@testable import Slots

/// A guild node as a process has it, in this process: its own listener, connections, view of the cluster and folder.
final class ReplicaNode: Sendable {
    let id: NodeID
    let role: GuildRole
    let member: ClusterMember
    private let server: TransportServer
    private let client: TransportClient
    private let group: MultiThreadedEventLoopGroup
    private let isCut = Mutex(false)

    init(
        _ name: String, folder: String, cluster: ClusterRecord, coordinator: any Coordinator, limits: SlotLimits,
        disk: GuildRole.Disk = GuildRole.Disk()
    ) async throws {
        let id = NodeID(rawValue: name)!
        self.id = id
        group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let identity = TransportIdentity(node: id, cluster: { cluster.id })
        client = TransportClient(identity: identity, group: group, logger: TestNode.quiet)
        server = TransportServer(identity: identity, group: group, logger: TestNode.quiet)
        role = GuildRole(folder: folder, disk: disk, registry: TestService.registry, limits: limits)
        for (method, handler) in role.handlers { server.register(method, handler) }
        for (method, acceptor) in role.acceptors { server.register(method, acceptor: acceptor) }
        let address = try await server.start(host: "127.0.0.1", port: 0)
        let clock = WallClock()
        var record = NodeRecord(
            id: id, roles: [], host: "127.0.0.1", port: address.port ?? 0, pid: 1, startedAt: clock.now())
        member = try await ClusterMember.join(
            as: record, cluster: cluster, coordinator: coordinator, clock: clock, logger: TestNode.quiet)
        var services = NodeServices(
            node: id, cluster: cluster.id, tokenSecret: cluster.tokenSecret, clock: clock, coordinator: coordinator,
            view: member,
            slots: RemoteSlotCaller(
                view: member, client: client, localNode: id, localHandler: role.handlers[.slot]),
            client: client, eventLoops: group, logger: TestNode.quiet)
        services.clusterRecord = cluster
        services.updateRecord = { [member] in try await member.update($0) }
        try await role.start(services, record: &record)
        record.roles = [.guild]
        try await member.update { [record] in $0 = record }
        await role.registered()
    }

    /// No other node reaches it any more, nor it them; it runs on, and reaches the coordinator.
    func cutOff() async {
        isCut.withLock { $0 = true }
        await server.shutdown(within: .zero)
        await client.shutdown()
    }

    func close() async {
        await role.drain(until: .now() + .seconds(30))
        await member.leave()
        if !isCut.withLock({ $0 }) {
            await client.shutdown()
            await server.shutdown(within: .zero)
        }
        try? await group.shutdownGracefully()
    }
}

/// Guild nodes over one coordinator, and a caller that reaches them as a router does.
final class ReplicaCluster: Sendable {
    static let slot = Slot(truncating: 7)

    let folder: TemporaryFolder
    let coordinator: EmbeddedCoordinator
    let cluster: ClusterRecord
    let caller: RemoteSlotCaller
    let router: ClusterMember
    private let client: TransportClient
    private let group: MultiThreadedEventLoopGroup
    private let clock = WallClock()

    init() async throws {
        folder = try TemporaryFolder()
        coordinator = try EmbeddedCoordinator(directory: folder.path + "/coordinator")
        let cluster = try await ClusterRecord.loadOrCreate(in: coordinator, isTest: false, now: WallClock().now())
        self.cluster = cluster
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let id = NodeID(rawValue: "router-1")!
        client = TransportClient(
            identity: TransportIdentity(node: id, cluster: { cluster.id }), group: group, logger: TestNode.quiet)
        router = try await ClusterMember.join(
            as: NodeRecord(id: id, roles: [.router], host: "127.0.0.1", port: 1, pid: 1, startedAt: WallClock().now()),
            cluster: cluster, coordinator: coordinator, clock: WallClock(), logger: TestNode.quiet)
        caller = RemoteSlotCaller(view: router, client: client)
    }

    func start(
        _ name: String, limits: SlotLimits = .prompt, disk: GuildRole.Disk = GuildRole.Disk()
    ) async throws -> ReplicaNode {
        try await ReplicaNode(
            name, folder: folder.path + "/" + name, cluster: cluster, coordinator: coordinator, limits: limits,
            disk: disk)
    }

    /// Writes the slot's row anew, as the controller does: the epoch rises by one.
    func write(_ change: (inout ShardMapRow) -> Void, slot: Slot = slot) async throws {
        while true {
            let held = try await coordinator.get(CoordinatorKey.slot(slot))
            var row =
                try held.map { try ShardMapRow(decoding: $0.value) }
                ?? ShardMapRow(slot: slot, epoch: .zero, primary: NodeID(rawValue: "nobody")!, inSync: [])
            change(&row)
            row.epoch = row.epoch.next
            let condition: CoordinatorTransaction.Condition =
                held.map { .revision($0.key, $0.revision) } ?? .absent(CoordinatorKey.slot(slot))
            let transaction = CoordinatorTransaction(
                conditions: [condition], operations: [.put(CoordinatorKey.slot(slot), row.encoded(), lease: nil)])
            if try await coordinator.commit(transaction) != nil { return }
        }
    }

    func row(_ slot: Slot = slot) async throws -> ShardMapRow {
        let entry = try #require(try await coordinator.get(CoordinatorKey.slot(slot)))
        return try ShardMapRow(decoding: entry.value)
    }

    /// Waits until the slot's row is as wanted; the suite has a time limit.
    func until(_ slot: Slot = slot, _ condition: (ShardMapRow) -> Bool) async throws {
        while try await !condition(row(slot)) { try await Task.sleep(for: .milliseconds(10)) }
    }

    /// One call, with as many attempts as it takes.
    func text(_ operation: String, _ parameters: [String: String] = [:], slot: Slot = slot) async throws -> String {
        let request = RestRequest(operation: operation, parameters: parameters, body: ByteBuffer(string: "x"))
        let id = RequestID(mintedMilliseconds: UInt64(clock.now().milliseconds), random: .random(in: 0 ... .max))
        let body = try await caller.call(
            slot, kind: .rest, body: request.encoded(), requestID: id, deadline: .now() + .seconds(60))
        let reply = try RestReply(decoding: body)
        #expect(reply.status == 200)
        return String(buffer: reply.body)
    }

    func verification(_ limits: SlotVerification.Limits) -> SlotVerification {
        SlotVerification(view: router, client: client, limits: limits)
    }

    func close() async throws {
        await router.leave()
        await client.shutdown()
        try await group.shutdownGracefully()
        await coordinator.close()
    }
}

extension SlotLimits {
    /// Dropped replicas go at once: tests wait for that.
    static var prompt: SlotLimits {
        var limits = SlotLimits()
        limits.clearingDelay = .milliseconds(50)
        return limits
    }
}

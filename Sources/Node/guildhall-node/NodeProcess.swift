import Coordination
import EtcdCoordination
import Foundation
import Gateway
import Identity
import Logging
import NIOCore
import NIOPosix
import ObjectStore
import Operations
import Placement
import Routing
import Slots
import Synchronization
import Transport

/// The life of a node process: what is started in which order, and how it ends.
///
/// First the cluster's record, which the coordinator may have yet to make; then the listener for other nodes and the
/// node's place in the cluster, without roles; then each role opens what it needs; and only then the record names the
/// roles, so that nobody sends anything to a role that is not there. The end is the same way back.
final class NodeProcess: Sendable {
    /// How long the coordinator may take to be there, at start.
    static let coordinatorPatience = TimeAmount.seconds(60)
    /// How long roles may take to finish what is under way, at the end.
    static let drainPatience = TimeAmount.seconds(12)

    let settings: NodeSettings
    let telemetry: Telemetry
    private let clock = WallClock()
    private let logger: Logger
    private let readiness = Readiness()
    /// Known once the coordinator has told it; goes into the transport's handshake.
    private let cluster = Mutex<ClusterID?>(nil)

    init(settings: NodeSettings) {
        self.settings = settings
        telemetry = Telemetry.bootstrap(
            level: settings.process.logLevel, format: settings.process.logFormat, clock: clock)
        logger = Logger(label: "node")
    }

    /// Serves until SIGTERM or SIGINT.
    ///
    /// - Throws: when something that the process needs cannot be had, a store that is not its own included.
    func run() async throws {
        let signals = TerminationSignals()
        DescriptorLimit.raise()
        let roles = try makeRoles()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
        let tls = try settings.process.tls.map {
            try TransportTLS(certificate: $0.certificate, key: $0.key, authority: $0.authority)
        }
        let identity = TransportIdentity(
            node: settings.process.nodeID, versions: settings.process.protocolVersions,
            cluster: { [weak self] in
                self?.cluster.withLock { $0 }
            })
        let client = TransportClient(identity: identity, group: group, tls: tls, logger: Logger(label: "transport"))
        let server = TransportServer(identity: identity, group: group, tls: tls, logger: Logger(label: "transport"))
        for role in roles {
            for (method, handler) in role.handlers { server.register(method, handler) }
            for (method, acceptor) in role.acceptors { server.register(method, acceptor: acceptor) }
        }
        let health = HealthServer(readiness: readiness, telemetry: telemetry, group: group)
        let healthAddress = try await health.start(
            host: settings.process.health.host, port: settings.process.health.port)

        let (coordinator, etcd) = try makeCoordinator(client, group)
        let record = try await ClusterRecord.load(
            from: coordinator, deadline: .now() + NodeProcess.coordinatorPatience)
        cluster.withLock { $0 = record.id }
        let address = try await server.start(host: settings.process.listen.host, port: settings.process.listen.port)
        var node = makeRecord(port: address.port ?? 0, healthPort: healthAddress.port ?? 0)
        let member = try await ClusterMember.join(
            as: node, cluster: record, coordinator: coordinator, clock: clock, logger: Logger(label: "cluster"))
        do {
            try await start(roles, member, client, on: group, record: &node)
        } catch {
            await member.leave()
            throw error
        }
        let watching = Task { [self] in await watchReadiness(roles) }
        logger.info(
            "serving",
            metadata: [
                "node": "\(node.id)", "cluster": "\(record.id)", "roles": "\(node.roles)", "nodes": "\(node.port)",
                "health": "\(node.healthPort)",
            ])

        let signal = await signals.first()
        logger.notice("stopping", metadata: ["signal": "\(signal)"])
        readiness.block("draining", "the process is stopping")
        watching.cancel()
        await end(roles, member)
        await etcd?.close()
        await client.shutdown()
        await server.shutdown(within: .seconds(2))
        await health.shutdown()
        try await group.shutdownGracefully()
        logger.notice("stopped")
        telemetry.sink.flush()
    }

    // MARK: Parts

    private func makeRoles() throws -> [any NodeRole] {
        try FileManager.default.createDirectory(
            atPath: settings.process.data, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        return try settings.roles.map { role -> any NodeRole in
            switch role {
            case .guild:
                var disk = GuildRole.Disk()
                disk.limits.warning = Double(settings.disk.warningPercent) / 100
                disk.limits.full = Double(settings.disk.fullPercent) / 100
                disk.limits.ballast = settings.disk.ballast
                return GuildRole(
                    folder: settings.process.data + "/guild",
                    objectCredentials: settings.objects.credentialsFile.map { .file($0) } ?? .environment,
                    verifyInterval: settings.verifyInterval, disk: disk)
            case .gateway:
                return GatewayRole(
                    settings: GatewaySettings(
                        host: settings.gateway.host, port: settings.gateway.port, socketPath: settings.gatewaySocket,
                        loops: System.coreCount, journalWait: TimeAmount(settings.gatewayJournalWait),
                        identifyInterval: TimeAmount(settings.gatewayIdentifyInterval)))
            case .voice: throw SettingsFailure(problems: ["node.roles: this version has no voice role yet"])
            }
        }
    }

    /// The coordinator, and the same again where it has connections to close.
    private func makeCoordinator(
        _ client: TransportClient, _ group: any EventLoopGroup
    ) throws -> (any Coordinator, EtcdCoordinator?) {
        switch settings.coordinator {
        case .etcd(let settings):
            let etcd = try EtcdCoordinator(EtcdSettings(settings), group: group)
            return (etcd, etcd)
        case .embedded(let endpoint):
            guard let endpoint, let address = NodeAddress(coordinator: endpoint.description) else {
                throw SettingsFailure(problems: ["cluster.coordinator is not an address"])
            }
            return (RemoteCoordinator(client: client, addresses: [address]), nil)
        }
    }

    private func makeRecord(port: Int, healthPort: Int) -> NodeRecord {
        NodeRecord(
            id: settings.process.nodeID, roles: [], host: settings.process.listen.host, port: port,
            healthPort: healthPort, machine: settings.process.machine, zone: settings.process.zone,
            weight: settings.process.weight, pid: Int(getpid()), version: ProgramVersion.text, startedAt: clock.now(),
            protocolVersions: settings.process.protocolVersions)
    }

    private func start(
        _ roles: [any NodeRole], _ member: ClusterMember, _ client: TransportClient,
        on eventLoops: any EventLoopGroup, record: inout NodeRecord
    ) async throws {
        let local = roles.lazy.compactMap { $0.handlers[.slot] }.first
        var services = NodeServices(
            node: member.id, cluster: member.cluster.id, tokenSecret: member.cluster.tokenSecret, clock: clock,
            coordinator: member.coordinator, view: member,
            slots: RemoteSlotCaller(
                view: member, client: client, localNode: local == nil ? nil : member.id, localHandler: local),
            client: client, eventLoops: eventLoops, logger: logger)
        services.clusterRecord = member.cluster
        services.updateRecord = { try await member.update($0) }
        for role in roles { try await role.start(services, record: &record) }
        record.roles = roles.map(\.role)
        try await member.update(until: .now() + NodeProcess.coordinatorPatience) { [record] in $0 = record }
        readiness.clear(Readiness.starting)
        for role in roles {
            readiness.block("\(role.role)", "starting")
            await role.registered()
        }
    }

    private func watchReadiness(_ roles: [any NodeRole]) async {
        while !Task.isCancelled {
            var isReady = true
            for role in roles {
                if let reason = await role.unreadiness() {
                    readiness.block("\(role.role)", reason)
                    isReady = false
                } else {
                    readiness.clear("\(role.role)")
                }
            }
            try? await Task.sleep(for: isReady ? .seconds(1) : .milliseconds(50))
        }
    }

    private func end(_ roles: [any NodeRole], _ member: ClusterMember) async {
        try? await member.setDraining(true)
        let deadline = NIODeadline.now() + NodeProcess.drainPatience
        await withTaskGroup(of: Void.self) { tasks in
            for role in roles { tasks.addTask { await role.drain(until: deadline) } }
        }
        await member.leave()
    }
}

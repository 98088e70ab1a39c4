import Control
import Coordination
import Edge
import EtcdCoordination
import Foundation
import Identity
import Logging
import NIOCore
import NIOPosix
import Operations
import Placement
import Routing
import Synchronization
import Transport
import Wire

/// The life of a router process: what is started in which order, and how it ends.
///
/// The coordinator comes first, since everybody else waits for it; then the cluster's record, the listener for other
/// nodes, the process's own place in the cluster, and last the listener for clients. The end is the same way back.
final class RouterProcess: Sendable {
    /// How long clients' requests may take to finish at the end; longer than a request's deadline.
    static let drainPatience: Duration = .seconds(12)

    let settings: RouterSettings
    let telemetry: Telemetry
    private let clock = WallClock()
    private let logger: Logger
    private let readiness = Readiness()
    /// Known once the coordinator has told it; goes into the transport's handshake.
    private let cluster = Mutex<ClusterID?>(nil)

    init(settings: RouterSettings) {
        self.settings = settings
        telemetry = Telemetry.bootstrap(
            level: settings.process.logLevel, format: settings.process.logFormat, clock: clock)
        logger = Logger(label: "router")
    }

    /// Serves until SIGTERM or SIGINT.
    ///
    /// - Throws: when something that the process needs cannot be had.
    func run() async throws {
        let signals = TerminationSignals()
        DescriptorLimit.raise()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
        try makeFolder(settings.process.data)
        let token = try AdminTokenFile.readOrCreate(settings.adminTokenFile)
        let tls = try settings.process.tls.map {
            try TransportTLS(certificate: $0.certificate, key: $0.key, authority: $0.authority)
        }
        let identity = TransportIdentity(
            node: settings.process.nodeID, versions: settings.process.protocolVersions,
            cluster: { [weak self] in
                self?.cluster.withLock { $0 }
            })
        let client = TransportClient(
            identity: identity, group: group, tls: tls, logger: Logger(label: "transport"))
        let server = TransportServer(identity: identity, group: group, tls: tls, logger: Logger(label: "transport"))

        let embedded = try openCoordinator()
        let etcd = try openEtcd(group)
        let coordinator: any Coordinator =
            if let embedded { embedded } else if let etcd { etcd } else { try remoteCoordinator(client) }
        let record = try await loadRecord(coordinator)
        cluster.withLock { $0 = record.id }
        if let embedded {
            let service = CoordinatorService(embedded)
            server.register(.coordinator, service)
            server.register(.coordinatorWatch, acceptor: service)
        }
        let listen = settings.process.listen
        let address = try await server.start(host: listen.host, port: listen.port)
        let health = HealthServer(readiness: readiness, telemetry: telemetry, group: group)
        let healthAddress = try await health.start(
            host: settings.process.health.host, port: settings.process.health.port)
        let member = try await join(
            record, coordinator, port: address.port ?? 0, healthPort: healthAddress.port ?? 0)
        let loads = LoadPoller(view: member, client: client)
        let edge = try await startEdge(record, member, client, loads, token: token, group: group)

        let duties = Task { [self] in
            await withTaskGroup(of: Void.self) { group in
                // With etcd every router may: each row is written only if it is absent.
                if embedded != nil || etcd != nil { group.addTask { await self.initialiseShardMap(coordinator) } }
                group.addTask { await self.watchReadiness(member) }
                group.addTask { await loads.run() }
            }
        }
        let controlling = Task { [self] in await control(member, loads) }
        readiness.clear(Readiness.starting)
        logger.info(
            "serving",
            metadata: [
                "node": "\(settings.process.nodeID)", "cluster": "\(record.id)", "clients": "\(edge.port)",
                "nodes": "\(address.port ?? 0)", "health": "\(healthAddress.port ?? 0)",
            ])

        let signal = await signals.first()
        logger.notice("stopping", metadata: ["signal": "\(signal)"])
        readiness.block("draining", "the process is stopping")
        duties.cancel()
        controlling.cancel()
        // Another router may lead at once.
        await controlling.value
        if await !edge.shutdown(patience: Self.drainPatience) {
            logger.warning("some clients were cut off", metadata: ["connections": "\(edge.connections)"])
        }
        await member.leave()
        await client.shutdown()
        await server.shutdown(within: .seconds(2))
        await embedded?.close()
        await etcd?.close()
        await health.shutdown()
        try await group.shutdownGracefully()
        logger.notice("stopped")
        telemetry.sink.flush()
    }

    /// Only this user may look into it: the coordinator's folder holds the cluster's secret.
    private func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    // MARK: The coordinator

    private func openCoordinator() throws -> EmbeddedCoordinator? {
        guard settings.coordinator == .embedded(nil) else { return nil }
        try makeFolder(settings.coordinatorData)
        let (logger, sink) = (logger, telemetry.sink)
        return try EmbeddedCoordinator(directory: settings.coordinatorData) { failure in
            // What the disk holds is unknown from here on, and a second try could lie about it.
            logger.critical("the coordinator's disk failed", metadata: ["reason": "\(failure)"])
            sink.flush()
            exit(EXIT_FAILURE)
        }
    }

    private func openEtcd(_ group: any EventLoopGroup) throws -> EtcdCoordinator? {
        guard case .etcd(let settings) = settings.coordinator else { return nil }
        return try EtcdCoordinator(EtcdSettings(settings), group: group)
    }

    private func remoteCoordinator(_ client: TransportClient) throws -> RemoteCoordinator {
        guard case .embedded(let endpoint?) = settings.coordinator,
            let address = NodeAddress(coordinator: endpoint.description)
        else {
            throw SettingsFailure(problems: ["cluster.coordinator is not an address"])
        }
        return RemoteCoordinator(client: client, addresses: [address])
    }

    /// A router that follows another one's coordinator waits for that one to make the cluster.
    private func loadRecord(_ coordinator: any Coordinator) async throws -> ClusterRecord {
        let deadline = NIODeadline.now() + .seconds(60)
        if case .embedded(_?) = settings.coordinator {
            return try await ClusterRecord.load(from: coordinator, deadline: deadline)
        }
        return try await ClusterRecord.loadOrCreate(
            in: coordinator, isTest: settings.hasTestClock ? true : nil, now: clock.now(), deadline: deadline)
    }

    private func initialiseShardMap(_ coordinator: any Coordinator) async {
        let initialiser = ShardMapInitialiser(
            coordinator: coordinator, settings: .init(guildNodes: settings.expectedGuildNodes), logger: logger)
        do {
            try await initialiser.run()
        } catch {
            // Cancelled at the end of the process.
            guard !Task.isCancelled else { return }
            logger.error("the shard map cannot be made", metadata: ["error": "\(error)"])
            readiness.block("shard map", "\(error)")
        }
    }

    // MARK: The cluster

    private func join(
        _ record: ClusterRecord, _ coordinator: any Coordinator, port: Int, healthPort: Int
    ) async throws -> ClusterMember {
        let node = NodeRecord(
            id: settings.process.nodeID, roles: [.router], host: settings.process.listen.host, port: port,
            healthPort: healthPort, machine: settings.process.machine, zone: settings.process.zone,
            weight: settings.process.weight, pid: Int(getpid()), version: ProgramVersion.text, startedAt: clock.now(),
            protocolVersions: settings.process.protocolVersions)
        return try await ClusterMember.join(
            as: node, cluster: record, coordinator: coordinator, clock: clock, logger: Logger(label: "cluster"))
    }

    /// Ready when the map is whole, each slot's primary is registered, and there is a gateway.
    private func watchReadiness(_ member: ClusterMember) async {
        let topic = "cluster"
        var wasReady = false
        func look() {
            let waitingFor = ClusterReadiness(view: member).waitingFor
            if waitingFor.isEmpty {
                readiness.clear(topic)
                if !wasReady { logger.notice("the cluster is ready") }
            } else {
                readiness.block(topic, waitingFor.joined(separator: "; "))
            }
            wasReady = waitingFor.isEmpty
        }
        let changes = member.changes()
        look()
        for await _ in changes { look() }
    }

    private func control(_ member: ClusterMember, _ loads: LoadPoller) async {
        let loop = ControlLoop(
            node: member.id, coordinator: member.coordinator, view: member, loads: loads, clock: clock,
            logger: Logger(label: "control"))
        await loop.run()
    }

    // MARK: Clients

    private func startEdge(
        _ record: ClusterRecord, _ member: ClusterMember, _ client: TransportClient, _ loads: LoadPoller,
        token: String, group: MultiThreadedEventLoopGroup
    ) async throws -> EdgeServer {
        let level = telemetry.logLevel
        var operators = OperatorsAPI(
            token: token, cluster: record, version: ProgramVersion.text,
            control: ClusterControl(
                coordinator: member.coordinator, view: member, loads: loads, clock: clock,
                logger: Logger(label: "control")),
            moveClock: { try await member.setClockOffset($0) }, logLevel: { level.level },
            setLogLevel: { level.level = $0 })
        operators.verify = { slot, limits in
            await SlotVerification(view: member, client: client, limits: limits).run(slot)
        }
        operators.backup = { call, deadline throws(CallFailure) in
            guard let primary = member.row(call.slot)?.primary, let node = member.node(primary) else {
                throw .unreachable("the primary of slot \(call.slot) is not registered")
            }
            let reply = try await client.call(
                .backup, body: call.encoded(),
                to: NodeAddress(node: primary, host: node.host, port: node.port), lane: .bulk, deadline: deadline)
            do { return try BackupReply(decoding: reply) } catch {
                throw .refused("the node's answer cannot be decoded: \(error)")
            }
        }
        let service = EdgeService(
            slots: RemoteSlotCaller(view: member, client: client), view: member, tokenSecret: record.tokenSecret,
            clock: clock, machine: settings.process.machine, operators: operators, logger: Logger(label: "edge"))
        var limits = EdgeLimits()
        limits.maximumBodyBytes = settings.http.bodyLimit
        limits.headTimeout = TimeAmount(settings.http.headerTimeout)
        let listen = settings.http.listen
        return try await EdgeServer.start(
            host: listen.host, port: listen.port, service: service, limits: limits, group: group,
            logger: Logger(label: "edge"))
    }
}

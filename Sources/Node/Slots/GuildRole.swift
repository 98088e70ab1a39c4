import Coordination
import Guild
import Identity
import Logging
import NIOCore
import ObjectStore
import Placement
import Routing
import Storage
import Synchronization
import Transport
import User

/// The guild role of a node: serves the slots whose rows name this node as primary, for as long as they do.
public final class GuildRole: NodeRole {
    /// How long the hand-over of slots may take at the end, how long it may make no progress (no router may run that
    /// controls the cluster), and what is left for the rest.
    private static let handingOver = TimeAmount.seconds(8)
    private static let handOverPatience = TimeAmount.seconds(3)
    private static let closing = TimeAmount.seconds(3)
    /// From one counting of what the disk holds to the next.
    private static let countingPause = TimeAmount.seconds(30)

    private struct State {
        var node: SlotNode?
        var services: NodeServices?
        var following: Task<Void, Never>?
        /// The clock's consequences, and the comparison of replicas.
        var watching: Task<Void, Never>?
        /// Once it has been ready, what the other replicas do is no reason not to be.
        var wasReady = false
        var isStopping = false
    }

    private final class Box: Sendable {
        let state = Mutex(State())
    }

    /// How the disk under the data is watched.
    public struct Disk: Sendable {
        public var limits = DiskPressure.Limits()
        /// Bytes in use and bytes available on the disk under a folder.
        public var space: @Sendable (_ folder: String) throws(StorageFailure) -> (used: Int, available: Int) =
            DiskGuard.space

        public init() {}
    }

    public let role = NodeRecord.Role.guild
    public let handlers: [CallMethod: any CallHandler]
    public let acceptors: [CallMethod: any StreamAcceptor]
    private let folder: String
    private let registry: ServiceRegistry
    private let limits: SlotLimits
    private let backups: BackupService
    /// From the comparison of one slot's replicas to the next's; zero for none.
    private let verifyInterval: Duration
    private let disk: Disk
    private let box = Box()

    /// - Parameters:
    ///   - folder: of the node's data.
    ///   - objectCredentials: for object stores that backups lie in.
    ///   - verifyInterval: from the comparison of one slot's replicas to the next's; zero for none.
    public convenience init(
        folder: String, objectCredentials: AWSCredentialsSource = .environment, verifyInterval: Duration = .seconds(60),
        disk: Disk = Disk()
    ) {
        self.init(
            folder: folder, objectCredentials: objectCredentials, verifyInterval: verifyInterval, disk: disk,
            registry: ServiceRegistry(
                [GuildService.self, UserService.self], authenticate: UserService.authenticate,
                profile: UserService.profile))
    }

    init(
        folder: String, objectCredentials: AWSCredentialsSource = .environment, verifyInterval: Duration = .zero,
        disk: Disk = Disk(), registry: ServiceRegistry, limits: SlotLimits = SlotLimits()
    ) {
        self.limits = limits
        self.disk = disk
        self.verifyInterval = verifyInterval
        self.folder = folder
        self.registry = registry
        let box = box
        let node: @Sendable () -> SlotNode? = { box.state.withLock { $0.node } }
        backups = BackupService(
            node: node, services: { box.state.withLock { $0.services } }, credentials: objectCredentials)
        handlers = [
            .slot: SlotCallHandler(node: node), .status: StatusHandler(node: node), .backup: backups,
            .verify: VerificationHandler(node: node), .inventory: InventoryHandler(node: node),
        ]
        acceptors = [
            .events: EventStreams(node: node), .replication: ReplicationStreams(node: node),
            .snapshot: SnapshotStreams(node: node),
        ]
    }

    /// While the role runs.
    var slotNode: SlotNode? { box.state.withLock { $0.node } }

    /// - Throws: ``StorageFailure`` when the folder cannot be this node's store.
    public func start(_ services: NodeServices, record: inout NodeRecord) async throws {
        var configuration = SlotNode.Configuration(
            node: services.node, cluster: services.cluster, folder: folder, services: registry,
            tokenSecret: services.tokenSecret, clock: services.clock, coordinator: services.coordinator,
            view: services.view, caller: services.slots, logger: services.logger)
        configuration.client = services.client
        configuration.eventLoops = services.eventLoops
        configuration.limits = limits
        configuration.diskLimits = disk.limits
        configuration.diskSpace = disk.space
        let node = try await SlotNode.open(configuration)
        record.store = "\(node.store)"
        record.isDiskFull = node.isDiskFull
        record.heldSlots = try await node.heldSlots(isHasty: true)
        if let cluster = services.clusterRecord { try ClusterRecordCopy(folder: folder).keep(cluster) }
        box.state.withLock {
            $0.node = node
            $0.services = services
        }
    }

    public func registered() async {
        let task = Task { [self] in await follow() }
        let watching = Task { [self] in await watch() }
        box.state.withLock {
            $0.following = task
            $0.watching = watching
        }
    }

    /// Does what follows from the node's clock and disk, and compares replicas, until it is cancelled.
    private func watch() async {
        let state = box.state.withLock { ($0.node, $0.services) }
        guard let node = state.0, let services = state.1 else { return }
        let retreat = PrimacyRetreat(
            node: services.node, coordinator: services.coordinator, view: services.view, logger: services.logger)
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                while !Task.isCancelled {
                    if case .wrong = node.clockVerdict {
                        let written = await retreat.run()
                        if written > 0 {
                            services.logger.notice("slots are given away", metadata: ["slots": "\(written)"])
                        }
                    }
                    try? await Task.sleep(for: .seconds(1))
                }
            }
            tasks.addTask { await GuildRole.tell(of: node, services) }
            guard verifyInterval > .zero else { return }
            let verification = BackgroundVerification(
                node: services.node, view: services.view, client: services.client, interval: verifyInterval,
                logger: services.logger)
            tasks.addTask { await verification.run() }
        }
    }

    /// Keeps the cluster informed of whether this node has space, and of what it holds, until it is cancelled.
    private static func tell(of node: SlotNode, _ services: NodeServices) async {
        let own = services.view.node(services.node)
        var told = (isFull: own?.isDiskFull ?? false, held: own?.heldSlots ?? 0)
        var held = told.held
        var counted = NIODeadline.now()
        while !Task.isCancelled {
            let isFull = node.isDiskFull
            do {
                if NIODeadline.now() - counted >= countingPause {
                    held = try await node.heldSlots(isHasty: false)
                    counted = .now()
                }
                if isFull != told.isFull || held != told.held {
                    try await services.updateRecord { [held] in ($0.isDiskFull, $0.heldSlots) = (isFull, held) }
                    told = (isFull, held)
                }
            } catch {
                if Task.isCancelled { return }
                services.logger.info("the cluster is not told of this node yet", metadata: ["reason": "\(error)"])
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    public func unreadiness() async -> String? {
        let (node, services, wasReady, isStopping) = box.state.withLock {
            ($0.node, $0.services, $0.wasReady, $0.isStopping)
        }
        guard let node, let services, !isStopping else { return "the guild role does not run" }
        let rows = services.view.rows
        if rows.isEmpty {
            let held = services.view.node(services.node)?.heldSlots ?? 0
            return held == 0
                ? "there is no shard map yet"
                : "the disk holds \(held) slots, and the coordinator's shard map is lost: guildctl coordinator rebuild"
        }
        if case .wrong(let ahead) = node.clockVerdict {
            return "the clock is \(ahead.milliseconds) ms ahead of the other guild nodes': set it"
        }
        if let trouble = node.diskTrouble { return trouble }
        let own = rows.filter { $0.primary == services.node }
        let missing = own.count { !node.serves($0.slot) }
        if missing > 0 { return "\(missing) slots are being opened" }
        let alone = own.count { $0.inSync.count < min(2, $0.holders.count) }
        if alone > 0, !wasReady { return "\(alone) slots have no second replica yet" }
        box.state.withLock { $0.wasReady = true }
        return nil
    }

    public func drain(until deadline: NIODeadline) async {
        await handOver(until: min(deadline - GuildRole.closing, .now() + GuildRole.handingOver))
        let (node, tasks) = box.state.withLock { state in
            state.isStopping = true
            return (state.node, [state.following, state.watching])
        }
        for task in tasks { task?.cancel() }
        for task in tasks { await task?.value }
        await backups.stop()
        await node?.drain(until: deadline)
        box.state.withLock { $0.node = nil }
    }

    /// Waits until other nodes lead what this one led. The node's record says that it drains: the controller gives each
    /// of its slots the target to be led by another member, and the slot's core hands it over.
    private func handOver(until deadline: NIODeadline) async {
        guard let services = box.state.withLock({ $0.services }) else { return }
        let (view, own) = (services.view, services.node)
        func led() -> Int {
            let able = Set(view.nodes.filter { $0.roles.contains(.guild) && !$0.isDraining && $0.id != own }.map(\.id))
            return view.rows.count { $0.primary == own && $0.inSync.contains(where: able.contains) }
        }
        let before = view.rows.filter { $0.primary == own }.map(\.slot)
        let begun = led()
        var (left, progressed) = (begun, NIODeadline.now())
        while left > 0, NIODeadline.now() < deadline, NIODeadline.now() - progressed < GuildRole.handOverPatience {
            do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
            let now = led()
            if now < left { progressed = .now() }
            left = now
        }
        if begun > 0 {
            // Others that end too take nothing any more.
            let kept = before.count { view.row($0)?.primary == own }
            services.logger.notice(
                "slots handed over", metadata: ["handed": "\(before.count - kept)", "kept": "\(kept)"])
        }
    }

    // MARK: Following the shard map

    private func follow() async {
        guard
            let (node, services) = box.state.withLock({ state in
                state.node.flatMap { node in state.services.map { (node, $0) } }
            })
        else { return }
        let changes = services.view.changes()
        node.nodesChanged(services.view.nodes)
        node.rowsChanged(services.view.rows)
        for await change in changes {
            switch change {
            case .row(let row): node.rowsChanged([row])
            case .node, .nodeGone: node.nodesChanged(services.view.nodes)
            }
        }
    }
}

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
    /// How long one round of claiming epochs may take before it is said and tried again.
    static let claimTimeout = TimeAmount.seconds(30)

    private struct State {
        var node: SlotNode?
        var services: NodeServices?
        var following: Task<Void, Never>?
        /// Slots that serve here.
        var held: Set<Slot> = []
        var isStopping = false
    }

    private final class Box: Sendable {
        let state = Mutex(State())
    }

    public let role = NodeRecord.Role.guild
    public let handlers: [CallMethod: any CallHandler]
    public let acceptors: [CallMethod: any StreamAcceptor]
    private let folder: String
    private let registry: ServiceRegistry
    private let backups: BackupService
    private let box = Box()

    /// - Parameters:
    ///   - folder: of the node's data.
    ///   - objectCredentials: for object stores that backups lie in.
    public convenience init(folder: String, objectCredentials: AWSCredentialsSource = .environment) {
        self.init(
            folder: folder, objectCredentials: objectCredentials,
            registry: ServiceRegistry(
                [GuildService.self, UserService.self], authenticate: UserService.authenticate,
                profile: UserService.profile))
    }

    init(folder: String, objectCredentials: AWSCredentialsSource = .environment, registry: ServiceRegistry) {
        self.folder = folder
        self.registry = registry
        let box = box
        let node: @Sendable () -> SlotNode? = { box.state.withLock { $0.node } }
        backups = BackupService(
            node: node, services: { box.state.withLock { $0.services } }, credentials: objectCredentials)
        handlers = [.slot: SlotCallHandler(node: node), .status: StatusHandler(node: node), .backup: backups]
        acceptors = [.events: EventStreams(node: node)]
    }

    /// - Throws: ``StorageFailure`` when the folder cannot be this node's store.
    public func start(_ services: NodeServices, record: inout NodeRecord) async throws {
        var configuration = SlotNode.Configuration(
            node: services.node, cluster: services.cluster, folder: folder, services: registry,
            tokenSecret: services.tokenSecret, clock: services.clock, view: services.view,
            caller: services.slots, logger: services.logger)
        configuration.eventLoops = services.eventLoops
        let node = try await SlotNode.open(configuration)
        record.store = "\(node.store)"
        box.state.withLock {
            $0.node = node
            $0.services = services
        }
    }

    public func registered() async {
        let task = Task { [self] in await follow() }
        box.state.withLock { $0.following = task }
    }

    public func unreadiness() async -> String? {
        let (node, services, held, isStopping) = box.state.withLock {
            ($0.node, $0.services, $0.held, $0.isStopping)
        }
        guard node != nil, let services, !isStopping else { return "the guild role does not run" }
        let rows = services.view.rows
        if rows.isEmpty { return "there is no shard map yet" }
        let missing = rows.filter { $0.primary == services.node && !held.contains($0.slot) }
        return missing.isEmpty ? nil : "\(missing.count) slots are being opened"
    }

    public func drain(until deadline: NIODeadline) async {
        let (node, following) = box.state.withLock { state in
            state.isStopping = true
            return (state.node, state.following)
        }
        following?.cancel()
        await following?.value
        await backups.stop()
        await node?.drain(until: deadline)
        box.state.withLock { $0.node = nil }
    }

    // MARK: Following the shard map

    private func follow() async {
        guard
            let (node, services) = box.state.withLock({ state in
                state.node.flatMap { node in state.services.map { (node, $0) } }
            })
        else { return }
        let changes = services.view.changes()
        await look(node, services)
        for await change in changes {
            guard case .row(let row) = change else { continue }
            let isHeld = box.state.withLock { $0.held.contains(row.slot) }
            if isHeld != (row.primary == services.node) { await look(node, services) }
        }
    }

    /// Gives up what the map gives to others, and takes what it gives to this node.
    private func look(_ node: SlotNode, _ services: NodeServices) async {
        var pause = Duration.milliseconds(100)
        while !Task.isCancelled {
            let rows = services.view.rows
            let held = box.state.withLock { $0.held }
            for row in rows where row.primary != services.node && held.contains(row.slot) {
                services.logger.notice("a slot is given up", metadata: ["slot": "\(row.slot)", "to": "\(row.primary)"])
                await node.close(row.slot, epoch: row.epoch)
                box.state.withLock { _ = $0.held.remove(row.slot) }
            }
            let wanted = Set(rows.filter { $0.primary == services.node && !held.contains($0.slot) }.map(\.slot))
            if wanted.isEmpty { return }
            do {
                try await take(wanted, node, services)
                return
            } catch let failure as StorageFailure {
                services.logger.critical("slots cannot be opened", metadata: ["error": "\(failure)"])
                endProcess(failure)
            } catch {
                services.logger.warning("slots are not opened yet", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(5))
        }
    }

    private func take(_ slots: Set<Slot>, _ node: SlotNode, _ services: NodeServices) async throws {
        await node.prepare(Array(slots))
        let claim = EpochClaim(node: services.node, coordinator: services.coordinator, logger: services.logger)
        let known = try await node.knownEpochs(slots)
        let rows = try await claim.run(slots: slots, above: known, deadline: .now() + GuildRole.claimTimeout)
        try await node.open(rows.map { ($0.slot, $0.epoch) })
        box.state.withLock { $0.held.formUnion(rows.map(\.slot)) }
        for row in rows { await services.view.waitForRow(row.slot, atLeast: row.epoch, deadline: .now() + .seconds(5)) }
        services.logger.info("slots are served", metadata: ["count": "\(rows.count)"])
    }
}

import Coordination
import Identity
import Logging
import NIOCore
import Placement
import Synchronization

/// A process's place in its cluster: its record under a lease in the coordinator, and its view of all others.
///
/// How a process starts: ``ClusterRecord/load(from:deadline:)`` (its id goes into the transport's handshake), bind the
/// listeners, then ``join(as:cluster:coordinator:clock:settings:logger:)``. How it ends: ``setDraining(_:)`` when it is
/// to be emptied first, then ``leave()``.
public final class ClusterMember: ClusterView {
    public struct Settings: Sendable {
        /// How long the record outlives the process (DESIGN §5).
        public var leaseDuration: Duration = .seconds(10)
        /// How long ``ClusterMember/join(as:cluster:coordinator:clock:settings:logger:)`` waits for the coordinator.
        public var joinTimeout: Duration = .seconds(60)
        /// How long ``ClusterMember/leave()`` waits for the coordinator.
        public var leaveTimeout: Duration = .seconds(3)

        public init() {}
    }

    public let id: NodeID
    public let cluster: ClusterRecord
    public let coordinator: any Coordinator
    public let clock: WallClock
    let view = ClusterViewStore()
    let logger: Logger
    private let settings: Settings
    private let membership: MembershipLease
    private let startedAt: Timestamp
    private let pid: Int
    private let tasks = Mutex<[Task<Void, Never>]>([])

    private init(
        _ node: NodeRecord, cluster: ClusterRecord, coordinator: any Coordinator, clock: WallClock, settings: Settings,
        logger: Logger
    ) {
        id = node.id
        self.cluster = cluster
        self.coordinator = coordinator
        self.clock = clock
        self.settings = settings
        self.logger = logger
        startedAt = node.startedAt
        pid = node.pid
        membership = MembershipLease(
            node, coordinator: coordinator, duration: settings.leaseDuration, logger: logger)
    }

    /// Registers `node` and returns once the view holds the cluster's present nodes and rows.
    ///
    /// - Parameters:
    ///   - node: with its listeners' real ports, `pid` and `startedAt`; these two tell its incarnations apart.
    ///   - clock: moved by the coordinator's offset when the cluster was created for tests; else left alone.
    public static func join(
        as node: NodeRecord, cluster: ClusterRecord, coordinator: any Coordinator, clock: WallClock,
        settings: Settings = Settings(), logger: Logger
    ) async throws(ClusterFailure) -> ClusterMember {
        var node = node
        node.dataFormat = ClusterRecord.supportedDataFormat
        let member = ClusterMember(
            node, cluster: cluster, coordinator: coordinator, clock: clock, settings: settings, logger: logger)
        let revision = try await member.enter()
        member.start(after: revision)
        return member
    }

    private func enter() async throws(ClusterFailure) -> UInt64 {
        let deadline = NIODeadline.now() + settings.joinTimeout.timeAmount
        var backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1))
        while true {
            do throws(CoordinatorFailure) {
                try await membership.register()
                return try await refresh()
            } catch {
                if case .invalid = error { throw .coordinator(error) }
                guard await backoff.pause(until: deadline) else { throw .coordinator(error) }
            }
        }
    }

    private func start(after revision: UInt64) {
        let membership = membership
        let lease = Task { await membership.run() }
        let watch = Task { [weak self, coordinator] in
            await ClusterMember.watch(coordinator, after: revision) { [weak self] in self }
        }
        tasks.withLock { $0 = [lease, watch] }
    }

    deinit { for task in tasks.withLock({ $0 }) { task.cancel() } }

    // MARK: The node's own record

    /// Whether the record stood in the coordinator when it was last heard: part of readiness.
    public var isRegistered: Bool { membership.isRegistered }

    /// This process's record as it was last registered.
    public var node: NodeRecord {
        get async { await membership.current }
    }

    /// Changes this process's record, at once and in every later registration.
    public func update(_ change: @Sendable (inout NodeRecord) -> Void) async throws(ClusterFailure) {
        do { try await membership.update(change) } catch { throw .coordinator(error) }
    }

    /// Changes this process's record, and waits for a coordinator that does not answer.
    ///
    /// - Throws: the last failure once `deadline` has passed; at once when it is of another kind.
    public func update(
        until deadline: NIODeadline, _ change: @Sendable (inout NodeRecord) -> Void
    ) async throws(ClusterFailure) {
        var backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1))
        while true {
            do throws(ClusterFailure) { return try await update(change) } catch {
                guard case .coordinator(.unavailable) = error, await backoff.pause(until: deadline) else { throw error }
                logger.info("the coordinator does not answer; trying again", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Marks this node: while it drains, nothing new is placed on it.
    public func setDraining(_ isDraining: Bool) async throws(ClusterFailure) {
        try await update { $0.isDraining = isDraining }
    }

    /// Takes the record out of the coordinator and stops. Idempotent.
    public func leave() async {
        for task in tasks.withLock({ $0 }) { task.cancel() }
        let membership = membership
        // Not awaited beyond its time: a coordinator that is gone must not hold up the end of the process.
        let withdrawal = Task { await membership.withdraw() }
        let alarm = Task { [settings] in
            try? await Task.sleep(for: settings.leaveTimeout)
            withdrawal.cancel()
        }
        await withdrawal.value
        alarm.cancel()
        view.close()
    }

    /// Moves the clock of every process of a cluster that was created for tests.
    public func setClockOffset(_ offset: Duration) async throws(ClusterFailure) {
        guard cluster.isTest else { throw .notATestCluster }
        let transaction = CoordinatorTransaction(operations: [
            .put(CoordinatorKey.clockOffset, ByteBuffer(string: String(offset.milliseconds)), lease: nil)
        ])
        do { _ = try await coordinator.commit(transaction) } catch { throw .coordinator(error) }
    }

    // MARK: ClusterView

    public func row(_ slot: Slot) -> ShardMapRow? { view.row(slot) }
    public var clusterSettings: ClusterSettings { view.clusterSettings }
    public func held(_ slot: Slot) -> ShardMapRows.Held? { view.held(slot) }
    public func node(_ id: NodeID) -> NodeRecord? { view.node(id) }
    public var nodes: [NodeRecord] { view.nodes }
    public var rows: [ShardMapRow] { view.rows }
    public func changes() -> AsyncStream<ClusterChange> { view.changes() }

    public func waitForRow(_ slot: Slot, atLeast epoch: Epoch, deadline: NIODeadline) async {
        await view.waitForRow(slot, atLeast: epoch, deadline: deadline)
    }

    // MARK: Following the coordinator

    /// Lists everything and replaces the view. The keys of a cluster are few (a row a slot, a record a node).
    func refresh() async throws(CoordinatorFailure) -> UInt64 {
        let listing = try await coordinator.list(prefix: "")
        let outcome = view.update { ($0.replace(by: listing), ()) }
        await carryOut(outcome.steps)
        return listing.revision
    }

    private func follow(_ change: CoordinatorChange) async {
        let outcome = view.update { state in (state.apply(change).map { [$0] } ?? [], ()) }
        await carryOut(outcome.steps)
    }

    private func carryOut(_ steps: [ClusterState.Step]) async {
        for step in steps {
            switch step {
            case .changed(.node(let node)) where node.id == id && (node.startedAt, node.pid) > (startedAt, pid):
                await membership.supersede(by: node)
            case .changed: break
            case .clockOffset(let offset):
                guard cluster.isTest else {
                    logger.error("a clock offset is set, but the cluster was not created for tests; ignored")
                    continue
                }
                clock.offset = offset
            case .refused(let key, let reason):
                logger.error(
                    "a value of the coordinator is refused", metadata: ["key": "\(key)", "reason": "\(reason)"])
            }
        }
    }

    /// Holds the member only while it works on a change, so that a forgotten member ends its tasks.
    private static func watch(
        _ coordinator: any Coordinator, after revision: UInt64, member: @Sendable () -> ClusterMember?
    ) async {
        var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(1))
        var revision = revision
        while !Task.isCancelled {
            do {
                for try await change in coordinator.watch(prefix: "", after: revision) {
                    guard let member = member() else { return }
                    await member.follow(change)
                    backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(1))
                }
                if Task.isCancelled { return }
            } catch {
                member()?.logger.info("the watch on the coordinator begins again", metadata: ["reason": "\(error)"])
            }
            // A change may have been seen in part: only a listing is a safe place to go on from.
            repeat {
                guard await backoff.pause(), let member = member() else { return }
                guard let listed = try? await member.refresh() else { continue }
                revision = listed
                break
            } while !Task.isCancelled
        }
    }
}

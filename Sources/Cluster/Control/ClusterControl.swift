import Coordination
import Identity
import Logging
import NIOCore
import Placement
import Routing
import Wire

/// What operators may do to the cluster's shape. Any router carries it out: all of it are writes to the coordinator,
/// which the controller and the slots' primaries then work towards.
public struct ClusterControl: Sendable {
    let store: ControlStore
    let view: any ClusterView
    let loads: LoadPoller
    let clock: WallClock
    let logger: Logger

    public init(
        coordinator: any Coordinator, view: any ClusterView, loads: LoadPoller, clock: WallClock, logger: Logger
    ) {
        store = ControlStore(coordinator: coordinator)
        self.view = view
        self.loads = loads
        self.clock = clock
        self.logger = logger
    }

    var guilds: [NodeRecord] { view.nodes.filter { $0.roles.contains(.guild) } }

    func isRegistered(_ node: NodeID) -> Bool { guilds.contains { $0.id == node } }

    // MARK: Settings

    public func settings() async throws(ControlFailure) -> ClusterSettings {
        try await store.read(CoordinatorKey.settings).value ?? ClusterSettings()
    }

    /// Changes what is given; the controller brings the rows to it.
    public func changeSettings(
        replicationFactor: Int?, minimum: Int?, repairDelay: Duration?
    ) async throws(ControlFailure) -> ClusterSettings {
        let new = try await store.update(CoordinatorKey.settings, initial: ClusterSettings()) {
            (settings: inout ClusterSettings) throws(ControlFailure) in
            if let replicationFactor { settings.replicationFactor = replicationFactor }
            if let minimum { settings.minimum = minimum }
            if let repairDelay { settings.repairDelay = repairDelay }
            guard (0...7).contains(settings.replicationFactor) else {
                throw .invalid("the replication factor is 1 to 7, or 0 for automatic")
            }
            guard settings.minimum >= 0, settings.repairDelay >= .zero else { throw .invalid("a setting is negative") }
            guard settings.replicationFactor == 0 || settings.minimum <= settings.replicationFactor else {
                throw .invalid("the minimum is at most the replication factor")
            }
        }
        await audit(
            "settings: replication factor \(new.replicationFactor), minimum \(new.minimum), repair after "
                + "\(new.repairDelay)")
        return new
    }

    /// Leaves a line for those who ask later what was done; that it cannot be left stops nobody.
    func audit(_ text: String) async {
        let time = clock.now()
        logger.notice("an operator's command", metadata: ["command": "\(text)"])
        let key = CoordinatorKey.audit + "\(time.milliseconds)-\(UInt32.random(in: 0 ... .max))"
        do {
            _ = try await store.commit([.absent(key)], [.put(key, ByteBuffer(string: "\(time) \(text)"), lease: nil)])
        } catch {
            logger.warning("the audit's line is not kept", metadata: ["reason": "\(error)"])
        }
    }

    /// The lines of the audit, the oldest first.
    public func auditLines() async throws(ControlFailure) -> [String] {
        do {
            return try await store.coordinator.list(prefix: CoordinatorKey.audit).entries.map {
                String(buffer: $0.value)
            }
        } catch { throw .unavailable("\(error)") }
    }

    /// Ends an upgrade: from here on all processes may write the newest format that all of them read. Until then they
    /// write the cluster's old one, so that the old programs may come back.
    ///
    /// - Throws: ``ControlFailure/conflict(_:)`` while processes of several versions run.
    public func finalize() async throws(ControlFailure) -> (version: String, dataFormat: UInt64) {
        let nodes = view.nodes.sorted { $0.id < $1.id }
        guard let first = nodes.first else { throw .conflict("no process is registered") }
        if let other = nodes.first(where: { $0.version != first.version }) {
            throw .conflict(
                "\(first.id) runs version \(first.version), and \(other.id) \(other.version): upgrade all first")
        }
        let format = nodes.map(\.dataFormat).min() ?? 1
        let (found, revision) = try await store.read(CoordinatorKey.cluster, ClusterRecord.self)
        guard var record = found else { throw .conflict("there is no cluster record") }
        if format > record.dataFormat {
            record.dataFormat = format
            guard try await store.write(CoordinatorKey.cluster, record, over: revision) else {
                throw .conflict("the cluster's record has just changed: try again")
            }
        }
        await audit("upgrade --finalize: version \(first.version), data format \(record.dataFormat)")
        return (first.version, record.dataFormat)
    }

    // MARK: Rebalance

    public func plan(
        measure: RebalancePlan.Measure = .load, bound: Double = 1.05
    ) async throws(ControlFailure) -> RebalancePlan {
        guard bound >= 1, bound <= 10 else { throw .invalid("the bound is 1 to 10 times the fair share") }
        return try RebalancePlan.make(
            rows: view.rows, nodes: view.nodes, departures: try await departures(), settings: try await settings(),
            book: await loads.book, measure: measure, bound: bound)
    }

    /// Begins a rebalance; the controller carries it out, whatever becomes of the caller.
    ///
    /// - Throws: ``ControlFailure/conflict(_:)`` while another is under way.
    public func apply(
        _ moves: [SlotMove], bytes: Int = 0, concurrency: Int, bandwidth: Int
    ) async throws(ControlFailure) -> RebalanceJob {
        guard (1...RebalanceJob.maximumConcurrency).contains(concurrency) else {
            throw .invalid("the concurrency is 1 to \(RebalanceJob.maximumConcurrency)")
        }
        guard bandwidth >= 0 else { throw .invalid("the bandwidth is not negative") }
        guard Set(moves.map(\.slot)).count == moves.count else { throw .invalid("a slot is moved twice") }
        let (last, revision) = try await store.read(CoordinatorKey.rebalance, RebalanceJob.self)
        if let last, !last.isOver { throw .conflict("a rebalance is \(last.state): wait for it, or abort it") }
        var job = RebalanceJob(
            id: UInt64.random(in: 1 ... .max), created: clock.now(), moves: moves, concurrency: concurrency,
            bandwidth: bandwidth, totalBytes: bytes)
        if moves.isEmpty { (job.state, job.finished) = (.done, job.created) }
        guard try await store.write(CoordinatorKey.rebalance, job, over: revision) else {
            throw .conflict("another rebalance has just been begun")
        }
        await audit("rebalance \(job.id): \(moves.count) moves")
        return job
    }

    /// The rebalance under way, or the last one.
    public func job() async throws(ControlFailure) -> RebalanceJob? {
        try await store.read(CoordinatorKey.rebalance).value
    }

    public func abort() async throws(ControlFailure) -> RebalanceJob {
        let none = RebalanceJob(id: 0, created: clock.now(), moves: [])
        return try await store.update(CoordinatorKey.rebalance, initial: none) {
            (job: inout RebalanceJob) throws(ControlFailure) in
            guard job.id != 0, !job.isOver else { throw .conflict("no rebalance is under way") }
            job.state = .aborting
        }
    }

    // MARK: Nodes

    public func departures() async throws(ControlFailure) -> NodeDepartures {
        try await store.read(CoordinatorKey.departures).value ?? NodeDepartures()
    }

    /// The node's slots go elsewhere while it serves on.
    public func drain(_ node: NodeID) async throws(ControlFailure) {
        guard isRegistered(node) else { throw .unknown("\(node) is not registered as a guild node") }
        let rest = try await stayers(without: node)
        let tight = view.rows.first { $0.holders.contains(node) && rest.count < $0.minimum }
        if let tight {
            throw .conflict(
                "only \(rest.count) other guild nodes could take its slots, and slot \(tight.slot) has the minimum "
                    + "\(tight.minimum): add a node first")
        }
        _ = try await store.update(CoordinatorKey.departures, initial: NodeDepartures()) { $0.draining.insert(node) }
        await audit("node drain \(node)")
    }

    /// Takes the node back into the cluster, drained or removed.
    public func undrain(_ node: NodeID) async throws(ControlFailure) {
        _ = try await store.update(CoordinatorKey.departures, initial: NodeDepartures()) {
            (departures: inout NodeDepartures) throws(ControlFailure) in
            guard departures.contains(node) else { throw .unknown("\(node) is neither drained nor removed") }
            departures.draining.remove(node)
            departures.removed.remove(node)
        }
        await audit("node undrain \(node)")
    }

    /// The node will not come back: what it holds is made anew elsewhere at once.
    public func remove(_ node: NodeID) async throws(ControlFailure) {
        let rows = view.rows.filter { $0.holders.contains(node) }
        let isKnown = try await departures().contains(node)
        guard isKnown || !rows.isEmpty || view.node(node) != nil else {
            throw .unknown("there is no node \(node)")
        }
        if isRegistered(node), !rows.isEmpty {
            throw .conflict(
                "\(node) is running and holds \(rows.count) slots: drain it and wait, or stop its process first")
        }
        let registered = Set(guilds.map(\.id))
        let sole = rows.filter { row in
            (row.inSync + row.eligible).contains(node)
                && !(row.inSync + row.eligible).contains { $0 != node && registered.contains($0) }
        }
        if let first = sole.first {
            throw .conflict(
                "\(node) holds the only complete copy of \(sole.count) slots (\(first.slot) is the first): bring it "
                    + "back, or give up what is lost with `guildctl shard recover`")
        }
        _ = try await store.update(CoordinatorKey.departures, initial: NodeDepartures()) {
            $0.draining.remove(node)
            $0.removed.insert(node)
        }
        await audit("node remove \(node)")
    }

    private func stayers(without node: NodeID) async throws(ControlFailure) -> [NodeRecord] {
        let departures = try await departures()
        return guilds.filter { $0.id != node && !departures.contains($0.id) && $0.weight > 0 }
    }
}

import Coordination
import Identity
import Placement
import Routing
import Wire

extension ClusterControl {
    /// Sets a slot going to a node, which becomes its primary: in place of the present one when it holds no copy yet.
    public func move(_ slot: Slot, to node: NodeID) async throws(ControlFailure) -> ShardMapRow {
        guard isRegistered(node) else { throw .unknown("\(node) is not registered as a guild node") }
        guard try await !departures().contains(node) else { throw .conflict("\(node) is drained or removed") }
        guard view.node(node)?.isDiskFull != true else { throw .conflict("the disk of \(node) is nearly full") }
        if let job = try await job(), !job.isOver, job.moves.contains(where: { $0.slot == slot }) {
            throw .conflict("a rebalance is about to move slot \(slot): wait for it, or abort it")
        }
        let row = try await store.updateRow(slot) { row in
            var nodes = row.inSync.contains(row.primary) ? row.inSync : [row.primary] + row.inSync
            if nodes.contains(node) {
                nodes.removeAll { $0 == node }
            } else {
                nodes.removeAll { $0 == row.primary }
            }
            nodes.insert(node, at: 0)
            row.target = row.hasReached(nodes) ? [] : nodes
            row.home = nil
        }
        await audit("shard move \(slot) to \(node)")
        return row
    }

    /// A pinned slot's primary stays where it is when loads are balanced.
    public func pin(_ slot: Slot, isPinned: Bool) async throws(ControlFailure) -> ShardMapRow {
        let row = try await store.updateRow(slot) { $0.isPinned = isPinned }
        await audit("shard \(isPinned ? "pin" : "unpin") \(slot)")
        return row
    }

    /// What giving a slot to one node alone would mean.
    public struct Recovery: Hashable, Sendable {
        public var row: ShardMapRow
        public var node: NodeID
        /// The node holds all that was acknowledged.
        public var isComplete: Bool
        /// In-sync nodes that are not registered.
        public var gone: [NodeID]
        /// In-sync nodes that are registered: recovering would take the slot from them.
        public var alive: [NodeID]
    }

    /// Says what ``recover(_:from:)`` would do.
    public func recovery(_ slot: Slot, from node: NodeID) async throws(ControlFailure) -> Recovery {
        guard let row = try await store.read(CoordinatorKey.slot(slot), ShardMapRow.self).value else {
            throw .unknown("the shard map has no row of slot \(slot)")
        }
        guard row.holders.contains(node) else { throw .conflict("\(node) is not known to hold slot \(slot)") }
        return Recovery(
            row: row, node: node, isComplete: (row.inSync + row.eligible).contains(node),
            gone: row.inSync.filter { $0 != node && !isRegistered($0) },
            alive: row.inSync.filter { $0 != node && isRegistered($0) })
    }

    /// Makes a node the slot's only member, so that it serves what it has: for when all in-sync nodes are gone for good.
    /// Acknowledged writes that it does not hold are lost.
    public func recover(_ slot: Slot, from node: NodeID) async throws(ControlFailure) -> ShardMapRow {
        guard isRegistered(node) else { throw .unknown("\(node) is not registered as a guild node") }
        let plan = try await recovery(slot, from: node)
        guard plan.alive.isEmpty else {
            throw .conflict(
                "\(plan.alive.map(\.rawValue).joined(separator: ", ")) is running and in sync: nothing needs to be lost"
            )
        }
        // Before it is done: a loss that nobody can look up would be worse than a line too many.
        await audit(
            "shard recover \(slot) from \(node): "
                + (plan.isComplete ? "it was a member" : "it was a learner, acknowledged writes may be lost")
                + "; the row was epoch \(plan.row.epoch), in sync \(plan.row.inSync.map(\.rawValue)), "
                + "eligible \(plan.row.eligible.map(\.rawValue))")
        return try await store.updateRow(slot) { (row) throws(ControlFailure) in
            guard row == plan.row else { throw .conflict("slot \(slot) has just changed: look again") }
            row.primary = node
            row.inSync = [node]
            row.eligible = []
            row.learners = []
            row.minimum = 1
            row.target = []
            row.home = nil
        }
    }

    // MARK: What is there

    /// The cluster's strength against losses.
    public struct Overview: Sendable {
        public var settings: ClusterSettings
        public var factor: Int
        public var minimum: Int
        public var guildNodes: Int
        public var departures: NodeDepartures
        public var controller: String?
        /// How long the coordinator took to answer.
        public var coordinatorLatency: Duration
        /// Rows whose in-sync set is smaller than their minimum: they take no writes.
        public var belowMinimum: [Slot]
        /// Rows with fewer members in sync than copies are wanted.
        public var belowFactor: Int
        /// Nodes that catch up, over all rows.
        public var learners: Int
        /// Rows with a target.
        public var moving: Int
        /// Guild nodes whose disks are nearly full: they take no writes and no copies.
        public var diskFull: [NodeID]
        public var job: RebalanceJob?
    }

    /// The disks of the guild nodes that have told of theirs.
    public func disks() async -> [NodeID: NodeStatus.Disk] { await loads.book.disks }

    public func overview() async throws(ControlFailure) -> Overview {
        let start = ContinuousClock.now
        let controller: CoordinatorEntry?
        do { controller = try await store.coordinator.get(CoordinatorKey.controller) } catch {
            throw .unavailable("\(error)")
        }
        let latency = start.duration(to: .now)
        let settings = try await settings()
        let departures = try await departures()
        let job = try await job()
        let count = guilds.count { !departures.contains($0.id) }
        let (factor, minimum) = settings.replication(guildNodes: count)
        let rows = view.rows
        return Overview(
            settings: settings, factor: factor, minimum: minimum, guildNodes: count, departures: departures,
            controller: controller.map { String(buffer: $0.value) }, coordinatorLatency: latency,
            belowMinimum: rows.filter { $0.inSync.count < $0.minimum }.map(\.slot).sorted(),
            belowFactor: rows.count { $0.inSync.count < factor },
            learners: rows.reduce(0) { $0 + $1.learners.count }, moving: rows.count { !$0.target.isEmpty },
            diskFull: guilds.filter(\.isDiskFull).map(\.id).sorted(), job: job)
    }

    /// The hottest slots, by processor time, then requests.
    public func hottest(_ count: Int) async -> [(slot: Slot, node: NodeID?, rate: LoadBook.Rate)] {
        let book = await loads.book
        return Slot.all.map { ($0, view.row($0)?.primary, book.rate($0)) }
            .sorted { ($0.2.cpu, $0.2.requests) > ($1.2.cpu, $1.2.requests) }
            .prefix(count).map { (slot: $0.0, node: $0.1, rate: $0.2) }
    }

    /// The guilds with the most events a second, each with who leads its slot.
    public func hottestGuilds(_ count: Int) async -> [(load: GuildLoad, node: NodeID?)] {
        let book = await loads.book
        return book.hottestGuilds(count) { view.row($0)?.primary }
            .map { (load: $0, node: view.row($0.guild.snowflake.slot)?.primary) }
    }
}

extension ClusterControl.Overview {
    /// What the cluster bears, in words.
    public var survives: String {
        belowMinimum.isEmpty && belowFactor == 0
            ? survivesWhole : "copies are missing; with all of them: \(survivesWhole)"
    }

    private var survivesWhole: String {
        switch (guildNodes, minimum) {
        case (...1, _): "1 node: its loss stops everything, and the loss of its disk loses everything"
        case (2, 2...): "2 nodes: nothing is lost with either, but the loss of either stops writes"
        case (2, _):
            "2 nodes at minimum 1: either may stop; what the other alone has acknowledged is lost with its disk"
        case (_, 1): "minimum 1: a slot goes on with its last copy, and is lost with that one's disk"
        default:
            factor - minimum > 0
                ? "\(guildNodes) nodes: any \(factor - minimum == 1 ? "one" : "\(factor - minimum)") may be lost, and all goes on"
                : "\(guildNodes) nodes: nothing is lost with one, but its loss stops writes on the slots that it holds"
        }
    }
}

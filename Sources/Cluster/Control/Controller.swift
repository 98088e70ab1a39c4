import Identity
import Placement

/// Decides which rows of the shard map get another target: a value without I/O.
///
/// One router of the cluster runs it (see ``ControlLoop``). All that must survive lies in the coordinator: the rows, the
/// job, the settings. So a controller may die between any two actions; its successor looks at the rows and goes on:
///
/// - a move whose row has the wanted holders and no target is *settled*;
/// - one whose row has the move's target is *under way*: the slot's primary works on it;
/// - one whose row has no target is yet to be written.
///
/// Each action is a compare-and-swap on what was looked at; one that fails is decided anew at the next step. At most one
/// change a slot and step.
public struct Controller: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Rows whose copies are made anew at once, beside the rebalance: when replication rises, a node is drained, or
        /// a lost one is replaced.
        public var repairs = 32
        /// Slots that go back at once to the nodes that led them before these failed or were stopped.
        public var returns = 16
        /// How long such a node must have answered before.
        public var returnDelay: Duration = .seconds(10)

        public init() {}
    }

    /// What is looked at.
    public struct Situation: Sendable {
        public var rows: [ShardMapRow]
        public var nodes: [NodeRecord]
        public var settings = ClusterSettings()
        public var departures = NodeDepartures()
        public var job: RebalanceJob?
        /// Bytes that each slot stores, in slot order; empty when unknown.
        public var storedBytes: [Int] = []
        /// Guild nodes that have lately answered.
        public var responsive: Set<NodeID> = []

        public init(rows: [ShardMapRow], nodes: [NodeRecord]) {
            self.rows = rows
            self.nodes = nodes
        }
    }

    public enum Action: Hashable, Sendable {
        /// Writes `new` in place of `expected`, with the next epoch.
        case change(expected: ShardMapRow, new: ShardMapRow)
        /// Writes the job in place of the one looked at.
        case job(RebalanceJob)
    }

    public let limits: Limits
    /// Since when, in the controller's time, nodes that hold slots are not registered.
    private(set) var absentSince: [NodeID: Duration] = [:]
    /// Since when, in the controller's time, nodes that may take slots have answered.
    private(set) var takingSince: [NodeID: Duration] = [:]
    /// When the bandwidth allows the next new copy.
    private var nextCopy: Duration = .zero
    /// Why a slot cannot be brought where it is wanted; for operators.
    public private(set) var obstacles: [Slot: String] = [:]

    public init(limits: Limits = Limits()) { self.limits = limits }

    /// - Parameter now: on a clock that never steps back; only differences count.
    public mutating func step(_ situation: Situation, now: Duration, time: Timestamp) -> [Action] {
        // A map that is being made has its own author.
        guard situation.rows.count == Int(Slot.count) else { return [] }
        let field = note(situation, now: now)
        var touched: Set<Slot> = []
        var actions: [Action] = []
        if let job = situation.job, !job.isOver {
            actions += advance(job, situation, field, now: now, time: time, touched: &touched)
        }
        actions += tend(situation, field, touched: &touched)
        actions += returnPrimacies(situation, field, now: now, touched: &touched)
        // Also of slots whose moves wait: they may wait for this.
        var changed: Set<Slot> = []
        for case .change(let expected, _) in actions { changed.insert(expected.slot) }
        actions += lowerMinimums(situation, field, changed: changed)
        return actions
    }

    /// Who may take slots, and who is to lose them.
    struct Field {
        var registered: Set<NodeID> = []
        /// Those that can be primary of a slot that others hold too, and so give it to them.
        var feeders: Set<NodeID> = []
        var takers: [NodeRecord] = []
        var leaving: Set<NodeID> = []
        /// Nearly full: they get nothing new, and lead nothing.
        var full: Set<NodeID> = []
        /// Being stopped, or nearly full: they keep their copies, but not their primacies.
        var stopping: Set<NodeID> = []
        var replication: (factor: Int, minimum: Int) = (1, 1)
    }

    private mutating func note(_ situation: Situation, now: Duration) -> Field {
        var field = Field()
        let guilds = situation.nodes.filter { $0.roles.contains(.guild) }
        field.registered = Set(guilds.map(\.id))
        field.feeders = Set(guilds.filter(\.canReplicate).map(\.id))
        field.full = Set(guilds.filter(\.isDiskFull).map(\.id))
        field.stopping = Set(guilds.filter(\.isDraining).map(\.id)).union(field.full)
        field.takers = guilds.filter {
            !$0.isDraining && !$0.isDiskFull && $0.weight > 0 && $0.canReplicate
                && !situation.departures.contains($0.id)
        }
        .sorted { $0.id < $1.id }
        field.replication = situation.settings.replication(
            guildNodes: guilds.count { $0.canReplicate && !situation.departures.contains($0.id) })
        let taking = Set(field.takers.map(\.id)).intersection(situation.responsive)
        takingSince = takingSince.filter { taking.contains($0.key) }
        for node in taking where takingSince[node] == nil { takingSince[node] = now }
        let holders = situation.rows.reduce(into: Set<NodeID>()) { $0.formUnion($1.holders) }
        for node in holders where !field.registered.contains(node) && absentSince[node] == nil {
            absentSince[node] = now
        }
        absentSince = absentSince.filter { holders.contains($0.key) && !field.registered.contains($0.key) }
        field.leaving = situation.departures.draining.union(situation.departures.removed)
        let delay = situation.settings.repairDelay
        let lost = absentSince.filter { delay > .zero && now - $0.value >= delay }.map(\.key)
        // When half of the nodes are gone, it is the network or the machines that need repair, not the copies.
        if lost.count * 2 < holders.union(field.registered).count { field.leaving.formUnion(lost) }
        return field
    }

    // MARK: The job

    private mutating func advance(
        _ job: RebalanceJob, _ situation: Situation, _ field: Field, now: Duration, time: Timestamp,
        touched: inout Set<Slot>
    ) -> [Action] {
        var next = job
        var actions: [Action] = []
        next.moves = []
        var underWay = 0
        var waiting: [SlotMove] = []
        let rows = Dictionary(uniqueKeysWithValues: situation.rows.map { ($0.slot, $0) })
        for move in job.moves {
            guard let row = rows[move.slot] else { continue }
            if row.hasReached(move.to) {
                next.settled += 1
                next.settledBytes += bytes(of: move, situation)
            } else if move.to.contains(where: field.leaving.contains) {
                next.dropped += 1
            } else if job.state == .aborting {
                // Where the primacy has changed already, going on is the shortest way to rest.
                guard row.target == move.to, row.primary != move.to[0] else {
                    next.reset += 1
                    continue
                }
                next.moves.append(move)
                touched.insert(row.slot)
                actions.append(.change(expected: row, new: row.with(target: row.turnedBack(to: move.from))))
            } else {
                next.moves.append(move)
                touched.insert(row.slot)
                if row.target == move.to { underWay += 1 } else if row.target.isEmpty { waiting.append(move) }
            }
        }
        for move in waiting where underWay < job.concurrency {
            guard let row = rows[move.slot], isPossible(move.to, of: row, field),
                takesBandwidth(job, move, situation, now: now)
            else { continue }
            underWay += 1
            var new = row.with(target: move.to)
            new.home = nil
            actions.append(.change(expected: row, new: new))
        }
        if next.moves.isEmpty {
            next.state = job.state == .aborting ? .aborted : .done
            next.finished = time
        }
        if next != job { actions.append(.job(next)) }
        return actions
    }

    private func isPossible(_ target: [NodeID], of row: ShardMapRow, _ field: Field) -> Bool {
        field.registered.contains(row.primary) && target.count >= row.minimum
            && target.allSatisfy { field.registered.contains($0) && !field.stopping.contains($0) }
    }

    private func bytes(of move: SlotMove, _ situation: Situation) -> Int {
        guard !situation.storedBytes.isEmpty else { return 0 }
        return situation.storedBytes[Int(move.slot.rawValue)] * move.added.count
    }

    private mutating func takesBandwidth(
        _ job: RebalanceJob, _ move: SlotMove, _ situation: Situation, now: Duration
    ) -> Bool {
        guard job.bandwidth > 0, !move.added.isEmpty else { return true }
        guard nextCopy <= now else { return false }
        let seconds = Double(bytes(of: move, situation)) / Double(job.bandwidth)
        // What was not used counts for a second, since steps are coarser than small copies.
        nextCopy = max(nextCopy, now - .seconds(1)) + .seconds(min(seconds, 86_400))
        return true
    }

    // MARK: Copies that are to be

    /// Brings each slot to its number of copies, on nodes that stay.
    private mutating func tend(_ situation: Situation, _ field: Field, touched: inout Set<Slot>) -> [Action] {
        obstacles = [:]
        var choice = ReplicaChoice(rows: situation.rows, takers: field.takers)
        var underWay = situation.rows.count { row in
            row.target.contains { !row.inSync.contains($0) } && !touched.contains(row.slot)
        }
        var actions: [Action] = []
        for row in situation.rows where !touched.contains(row.slot) && field.feeders.contains(row.primary) {
            guard let target = wanted(row, field, &choice) else { continue }
            let copies = target.contains { !row.holders.contains($0) }
            if copies {
                guard underWay < limits.repairs else { continue }
                underWay += 1
            }
            touched.insert(row.slot)
            choice.take(target, instead: row)
            var new = row.with(target: target)
            let home = row.home ?? row.primary
            // Back at its home a row forgets it, so that the next failure finds the next one.
            if target[0] != row.primary { new.home = field.leaving.contains(home) || target[0] == home ? nil : home }
            actions.append(.change(expected: row, new: new))
        }
        return actions
    }

    /// Gives slots back to the nodes that led them by plan, some at a time: without it, a cluster whose nodes were
    /// restarted one after the other would end with the last one leading nothing.
    private func returnPrimacies(
        _ situation: Situation, _ field: Field, now: Duration, touched: inout Set<Slot>
    ) -> [Action] {
        var underWay = situation.rows.count { $0.home != nil && !$0.target.isEmpty && $0.target.first == $0.home }
        var actions: [Action] = []
        for row in situation.rows where underWay < limits.returns && !touched.contains(row.slot) {
            guard let home = row.home, home != row.primary, row.target.isEmpty, row.inSync.contains(home),
                row.inSync.count >= row.minimum, let since = takingSince[home], now - since >= limits.returnDelay,
                field.feeders.contains(row.primary)
            else { continue }
            underWay += 1
            touched.insert(row.slot)
            actions.append(.change(expected: row, new: row.with(target: [home] + row.holders.filter { $0 != home })))
        }
        return actions
    }

    /// The target that the row should have; `nil` when it is fine as it is, or nothing better is to be had.
    private mutating func wanted(_ row: ShardMapRow, _ field: Field, _ choice: inout ReplicaChoice) -> [NodeID]? {
        let goal = row.target.isEmpty ? row.holders : row.target
        var kept = goal.filter {
            !field.leaving.contains($0) && (row.holders.contains($0) || !field.full.contains($0))
        }
        // A holder that stays and is not in the target may serve in place of one that leaves it.
        if kept.count < goal.count {
            for node in row.inSync where kept.count < max(field.replication.factor, row.minimum) {
                if !kept.contains(node), !field.leaving.contains(node) { kept.append(node) }
            }
        }
        let missing = field.replication.factor - kept.count
        let added = missing > 0 ? choice.nodes(missing, for: row.slot, beside: kept) : []
        var nodes = kept + added
        guard nodes.count >= row.minimum, !nodes.isEmpty else {
            if kept.count < goal.count {
                obstacles[row.slot] = "\(nodes.count) nodes could hold it, and its minimum is \(row.minimum)"
            }
            return nil
        }
        let leader = nodes[0]
        if leader != goal[0] || field.stopping.contains(leader) || !field.registered.contains(leader) {
            let able = nodes.filter {
                row.inSync.contains($0) && field.registered.contains($0) && !field.stopping.contains($0)
            }
            if let heir = choice.leastPrimary(able) ?? added.first, heir != leader {
                nodes.removeAll { $0 == heir }
                nodes.insert(heir, at: 0)
            }
        }
        if row.target.isEmpty {
            return nodes == row.holders ? nil : nodes
        }
        return nodes == row.target ? nil : nodes
    }

    // MARK: The minimum

    /// Lowers it to what an operator has said. Raising it is the primaries' part, together with the in-sync set.
    private func lowerMinimums(_ situation: Situation, _ field: Field, changed: Set<Slot>) -> [Action] {
        guard situation.settings.minimum > 0 else { return [] }
        let wanted = field.replication.minimum
        var actions: [Action] = []
        for row in situation.rows where !changed.contains(row.slot) && row.minimum > wanted {
            var new = row.with(target: row.target)
            new.minimum = wanted
            if !row.eligible.isEmpty {
                // The set may commit without them from now on, so they may not stand any more; that is safe to say only
                // while the set itself lives. Where it does not, one of them takes the slot first.
                guard situation.responsive.contains(row.primary), row.inSync.count >= wanted else { continue }
                new.learners += row.eligible
                new.eligible = []
            }
            actions.append(.change(expected: row, new: new))
        }
        return actions
    }
}

extension ShardMapRow {
    /// The row that replaces this one, with another target.
    func with(target: [NodeID]) -> ShardMapRow {
        var row = self
        row.epoch = epoch.next
        row.target = target
        return row
    }

    /// Held by these nodes, led by their first, and at rest.
    func hasReached(_ nodes: [NodeID]) -> Bool {
        target.isEmpty && primary == nodes.first && Set(holders) == Set(nodes)
    }

    /// The target that undoes a move: the former holders that hold it still, the primary where it is.
    func turnedBack(to former: [NodeID]) -> [NodeID] {
        var nodes = [primary]
        for node in former where holders.contains(node) && !nodes.contains(node) { nodes.append(node) }
        for node in inSync where nodes.count < minimum && !nodes.contains(node) { nodes.append(node) }
        return nodes
    }
}

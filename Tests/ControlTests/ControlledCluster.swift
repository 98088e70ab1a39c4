import Identity
import Placement

@testable import Control

func node(_ name: String) -> NodeID { NodeID(rawValue: name)! }

func nodes(_ names: String...) -> [NodeID] { names.map(node) }

func record(_ id: NodeID, zone: String = "", isDraining: Bool = false) -> NodeRecord {
    NodeRecord(id: id, roles: [.guild], host: "127.0.0.1", port: 1, zone: zone, isDraining: isDraining)
}

/// A cluster in memory: rows, a controller, and primaries that do what a row's target asks for, a step at a time.
struct ControlledCluster {
    var controller = Controller()
    var situation: Controller.Situation
    var now: Duration = .seconds(1)
    /// Primaries that take a step each round.
    var workers = Int.max
    /// The most rows with a target at once, and the most that waited for new copies.
    private(set) var mostTargets = 0
    private(set) var mostCopies = 0
    /// Rows' changes by the controller.
    private(set) var changes = 0
    /// Whether the coming actions reach the coordinator.
    var arrives: (Controller.Action) -> Bool = { _ in true }

    /// All slots held by these nodes, the primaries spread evenly.
    init(_ names: [NodeID], factor: Int? = nil, minimum: Int = 1) {
        let factor = factor ?? names.count
        let rows = Slot.all.map { slot in
            let turn = Int(slot.rawValue) % names.count
            let holders = Array((names[turn...] + names[..<turn]).prefix(factor))
            return ShardMapRow(
                slot: slot, epoch: Epoch(rawValue: 1), primary: holders[0], inSync: holders, minimum: minimum)
        }
        situation = Controller.Situation(rows: rows, nodes: names.map { record($0) })
    }

    mutating func register(_ id: NodeID) { situation.nodes.append(record(id)) }
    mutating func lose(_ id: NodeID) { situation.nodes.removeAll { $0.id == id } }

    /// What campaigns and exclusion make of the rows of a lost node.
    mutating func takeOver(from id: NodeID) {
        for index in situation.rows.indices where situation.rows[index].inSync.contains(id) {
            var row = situation.rows[index]
            row.epoch = row.epoch.next
            row.inSync.removeAll { $0 == id }
            guard let heir = row.inSync.first else { continue }
            if row.primary == id { (row.primary, row.home) = (heir, row.home ?? id) }
            row.learners.append(id)
            situation.rows[index] = row
        }
    }

    var isQuiet: Bool { situation.rows.allSatisfy { $0.target.isEmpty } && situation.job.map(\.isOver) ?? true }

    /// The controller decides, and what arrives is done.
    @discardableResult
    mutating func step() -> [Controller.Action] {
        now += .milliseconds(200)
        let actions = controller.step(situation, now: now, time: Timestamp(milliseconds: 5))
        for action in actions where arrives(action) {
            switch action {
            case .change(let expected, let new):
                let slot = Int(new.slot.rawValue)
                precondition(situation.rows[slot] == expected && new.epoch == expected.epoch.next)
                situation.rows[slot] = new
                changes += 1
            case .job(let job): situation.job = job
            }
        }
        mostTargets = max(mostTargets, situation.rows.count { !$0.target.isEmpty })
        mostCopies = max(mostCopies, situation.rows.count { row in row.target.contains { !row.inSync.contains($0) } })
        return actions
    }

    /// Primaries work on their targets, a step each.
    mutating func work() {
        let registered = Set(situation.nodes.map(\.id))
        let wanted = situation.settings.replication(guildNodes: registered.count).minimum
        var left = workers
        for index in situation.rows.indices where left > 0 {
            if let new = Self.next(situation.rows[index], registered, minimum: wanted) {
                situation.rows[index] = new
                left -= 1
            }
        }
    }

    mutating func run(rounds: Int = 5000, until isOver: (ControlledCluster) -> Bool = { $0.isQuiet }) -> Bool {
        for _ in 0..<rounds {
            step()
            work()
            if isOver(self), controller.step(situation, now: now, time: Timestamp(milliseconds: 5)).isEmpty {
                return true
            }
        }
        return false
    }

    /// What a slot's primary does next about its row's target and minimum.
    static func next(_ row: ShardMapRow, _ registered: Set<NodeID>, minimum: Int) -> ShardMapRow? {
        guard registered.contains(row.primary) else { return nil }
        if row.inSync.count >= minimum, row.minimum < minimum {
            var new = row
            (new.epoch, new.minimum) = (row.epoch.next, minimum)
            return new
        }
        guard !row.target.isEmpty else { return nil }
        var new = row
        new.epoch = row.epoch.next
        let missing = row.target.filter { !row.holders.contains($0) }
        if !missing.isEmpty {
            new.learners += missing
            return new
        }
        if let caught = row.target.first(where: { !row.inSync.contains($0) && registered.contains($0) }) {
            new.inSync.append(caught)
            new.learners.removeAll { $0 == caught }
            new.eligible.removeAll { $0 == caught }
            return new
        }
        guard row.target.allSatisfy(row.inSync.contains) else { return nil }
        if row.primary != row.target[0] {
            guard registered.contains(row.target[0]) else { return nil }
            new.primary = row.target[0]
            return new
        }
        guard row.target.count >= row.minimum else { return nil }
        (new.inSync, new.learners, new.eligible, new.target) = (row.target, [], [], [])
        return new
    }

    func primaries(_ id: NodeID) -> Int { situation.rows.count { $0.primary == id } }
    func copies(_ id: NodeID) -> Int { situation.rows.count { $0.holders.contains(id) } }

    /// A job of what a plan says for the nodes that are there.
    mutating func planJob(concurrency: Int = 8, bandwidth: Int = 0, book: LoadBook = LoadBook()) throws -> RebalancePlan
    {
        let plan = try RebalancePlan.make(
            rows: situation.rows, nodes: situation.nodes, departures: situation.departures,
            settings: situation.settings, book: book)
        situation.job = RebalanceJob(
            id: 7, created: Timestamp(milliseconds: 1), moves: plan.moves, concurrency: concurrency,
            bandwidth: bandwidth, totalBytes: plan.bytes)
        return plan
    }
}

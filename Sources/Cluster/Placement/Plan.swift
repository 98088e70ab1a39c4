import Identity

/// Plans who holds each slot: consistent hashing with bounded loads, over weighted nodes and zones (DESIGN §4).
///
/// A pure function: equal input gives equal output, on any machine, whatever the order of `nodes` and `current`.
///
/// It starts from the current map, so that it moves the fewest slots. Rank by rank (primaries, then first replicas,
/// then second …), each of which is balanced by itself:
///
/// 1. A slot stays at its node, unless that is gone, draining or, for a replica, in a zone that holds the slot already
///    while there is another one. A pinned primary stays as long as its node exists.
/// 2. A slot without a node goes to a node that holds a copy of it, else to the nearest one by ``RendezvousHash`` that
///    has room: less than ``PlacementSettings/bound`` times its fair share, after taking the slot.
/// 3. A node that is over the bound by a whole slot gives away, nearest first, what others have room for; a node that
///    lacks a whole slot to one `bound`th of its share is given the nearest of those that others can spare.
///
/// - Parameters:
///   - loads: of the slots in slot order, in any unit; empty when nothing is known, and all weigh the same.
///   - current: rows in any order; slots that it lacks are new.
/// - Returns: a row for each of the 1,024 slots, in order.
public func plan(
    nodes: [PlacementNode], loads: [Double] = [], current: [PlacementRow] = [],
    settings: PlacementSettings = PlacementSettings()
) throws(PlacementFailure) -> [PlacementRow] {
    guard settings.bound >= 1, settings.bound.isFinite else { throw .invalid("the bound is at least 1") }
    guard settings.replicationFactor >= 1 else { throw .invalid("the replication factor is at least 1") }
    guard loads.isEmpty || loads.count == Int(Slot.count) else { throw .invalid("a load for each slot, or none") }
    guard loads.allSatisfy({ $0 >= 0 && $0.isFinite }) else { throw .invalid("a load is a number of at least 0") }
    let field = try PlacementField(nodes, loads: loads)

    var rows = Slot.all.map { PlacementRow(slot: $0, nodes: []) }
    var copies: [[Int]] = Array(repeating: [], count: rows.count)
    for row in current {
        let slot = Int(row.slot.rawValue)
        rows[slot].isPinned = row.isPinned
        copies[slot] = row.nodes.compactMap { field.index[$0] }
        // A lost primary leaves a gap in front, so that no replica is taken for one that need not move.
        if let primary = row.primary, field.index[primary] == nil { copies[slot].insert(PlacementField.gone, at: 0) }
    }
    var placed: [[Int]] = Array(repeating: [], count: rows.count)
    for rank in 0..<min(settings.replicationFactor, field.takers.count) {
        var layer = PlacementLayer(field: field, bound: settings.bound, rank: rank, placed: placed, copies: copies)
        let pinned = rank == 0 ? rows.map(\.isPinned) : Array(repeating: false, count: rows.count)
        for (slot, node) in layer.assign(pinned: pinned).enumerated() { placed[slot].append(node) }
    }
    for slot in rows.indices { rows[slot].nodes = placed[slot].map { field.nodes[$0].id } }
    return rows
}

/// The nodes and loads of one planning, with what is computed from them once.
struct PlacementField {
    /// Stands for a node that no longer exists.
    static let gone = -1

    /// In the order of their names.
    let nodes: [PlacementNode]
    let index: [NodeID: Int]
    /// The nodes that may be given slots.
    let takers: [Int]
    let loads: [Double]
    let totalLoad: Double
    let totalWeight: Double
    var meanLoad: Double { totalLoad / Double(loads.count) }
    private let seeds: [UInt64]
    private let zones: [Int]

    init(_ nodes: [PlacementNode], loads: [Double]) throws(PlacementFailure) {
        let nodes = nodes.sorted { $0.id < $1.id }
        var index: [NodeID: Int] = [:]
        for (position, node) in nodes.enumerated() {
            guard index.updateValue(position, forKey: node.id) == nil else { throw .duplicateNode(node.id) }
        }
        let takers = nodes.indices.filter { !nodes[$0].isDraining && nodes[$0].weight > 0 }
        guard !takers.isEmpty else { throw .noNodes }
        var zones: [String: Int] = [:]
        self.zones = nodes.indices.map { position in
            // Negative: a domain of its own.
            guard !nodes[position].zone.isEmpty else { return -1 - position }
            return zones[nodes[position].zone, default: zones.count].also { zones[nodes[position].zone] = $0 }
        }
        let known = loads.isEmpty ? Array(repeating: 1, count: Int(Slot.count)) : loads
        // With no load at all, slots count.
        self.loads = known.contains { $0 > 0 } ? known : Array(repeating: 1, count: Int(Slot.count))
        totalLoad = self.loads.reduce(0, +)
        totalWeight = takers.reduce(0) { $0 + Double(nodes[$1].weight) }
        self.nodes = nodes
        self.index = index
        self.takers = takers
        seeds = nodes.map { RendezvousHash.seed(of: $0.id) }
    }

    func fairLoad(of node: Int) -> Double {
        nodes[node].isDraining ? 0 : totalLoad * Double(nodes[node].weight) / totalWeight
    }

    func distance(_ slot: Int, _ node: Int) -> Double {
        RendezvousHash.distance(
            Slot(truncating: UInt64(slot)), seed: seeds[node], weight: max(1, nodes[node].weight))
    }

    func zone(of node: Int) -> Int { zones[node] }
}

extension Int {
    fileprivate func also(_ body: (Int) -> Void) -> Int {
        body(self)
        return self
    }
}

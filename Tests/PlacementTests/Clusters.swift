import Identity
import Placement

/// Clusters for the tests, and what is measured of a plan.
func nodes(_ count: Int, weight: (Int) -> Int = { _ in 100 }, zones: Int = 0) -> [PlacementNode] {
    (0..<count).map { number in
        PlacementNode(
            id: NodeID(rawValue: "guild-\(number + 1)")!, weight: weight(number),
            zone: zones == 0 ? "" : "zone-\(number % zones)")
    }
}

/// Loads of a heavy tail: most slots near 1, a few up to 11 mean slots (a guild of a million members; DESIGN §4).
func heavyTail(seed: UInt64) -> [Double] {
    var generator = SplitMix64(state: seed)
    return Slot.all.map { _ in
        let draw = Double.random(in: 0.000_1..<1, using: &generator)
        return min(11, 0.5 / draw.squareRoot())
    }
}

/// A seeded generator, so that a failure can be repeated.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

struct Balance {
    /// By node, of the primaries.
    var load: [NodeID: Double] = [:]
    var fair: [NodeID: Double] = [:]
    var heaviest = 0.0

    init(_ rows: [PlacementRow], _ nodes: [PlacementNode], loads: [Double] = [], rank: Int = 0) {
        let loads = loads.isEmpty ? Array(repeating: 1, count: 1024) : loads
        let takers = nodes.filter { !$0.isDraining && $0.weight > 0 }
        let weight = takers.reduce(0) { $0 + Double($1.weight) }
        let total = loads.reduce(0, +)
        for node in nodes { load[node.id] = 0 }
        for node in takers { fair[node.id] = total * Double(node.weight) / weight }
        for row in rows where row.nodes.count > rank {
            load[row.nodes[rank], default: 0] += loads[Int(row.slot.rawValue)]
        }
        heaviest = loads.max() ?? 0
    }

    /// The largest load over `bound` times the fair share: by the plan's promise less than one slot.
    func worstExcess(bound: Double) -> Double {
        load.map { $0.value - bound * (fair[$0.key] ?? 0) }.max() ?? 0
    }
}

func primaryMoves(_ old: [PlacementRow], _ new: [PlacementRow]) -> Int {
    zip(old, new).count { $0.primary != $1.primary }
}

/// The fewest moves of equal slots that bring every node between its bounds, rounded to whole slots.
func fewestMoves(from old: [PlacementRow], to nodes: [PlacementNode], bound: Double) -> Int {
    let balance = Balance(old, nodes)
    var excess = 0.0
    var deficit = 0.0
    for (node, load) in balance.load {
        let fair = balance.fair[node] ?? 0
        excess += max(0, load - (bound * fair).rounded(.up))
        deficit += max(0, (fair / bound).rounded(.down) - load)
    }
    return Int(max(excess, deficit))
}

import Identity
import Placement

/// Chooses nodes for single new copies: in another zone where there is one, then the node with the fewest copies for its
/// weight, then the nearest by ``RendezvousHash``. Balances what it gives away itself, and moves nothing.
struct ReplicaChoice {
    private let takers: [NodeRecord]
    private let zones: [NodeID: String]
    private var copies: [NodeID: Int] = [:]
    private var primaries: [NodeID: Int] = [:]

    init(rows: [ShardMapRow], takers: [NodeRecord]) {
        self.takers = takers
        zones = Dictionary(takers.map { ($0.id, $0.zone) }, uniquingKeysWith: { first, _ in first })
        for row in rows { count(row.target.isEmpty ? row.holders : row.target, by: 1) }
    }

    private mutating func count(_ nodes: [NodeID], by number: Int) {
        for node in nodes { copies[node, default: 0] += number }
        if let primary = nodes.first { primaries[primary, default: 0] += number }
    }

    /// The row has got this target.
    mutating func take(_ target: [NodeID], instead row: ShardMapRow) {
        count(row.target.isEmpty ? row.holders : row.target, by: -1)
        count(target, by: 1)
    }

    /// At most `number` nodes that do not hold the slot yet.
    func nodes(_ number: Int, for slot: Slot, beside holders: [NodeID]) -> [NodeID] {
        var chosen: [NodeID] = []
        while chosen.count < number {
            let present = holders + chosen
            let used = Set(present.compactMap { zones[$0] }.filter { !$0.isEmpty })
            let candidates = takers.filter { !present.contains($0.id) }
            let best = candidates.min { left, right in
                rank(left, slot, used) < rank(right, slot, used)
            }
            guard let best else { break }
            chosen.append(best.id)
        }
        return chosen
    }

    private func rank(_ node: NodeRecord, _ slot: Slot, _ used: Set<String>) -> (Int, Double, Double, NodeID) {
        (
            used.contains(node.zone) ? 1 : 0, Double(copies[node.id, default: 0]) / Double(node.weight),
            RendezvousHash.distance(slot, seed: RendezvousHash.seed(of: node.id), weight: node.weight), node.id
        )
    }

    /// Of these nodes the one that leads the fewest slots.
    func leastPrimary(_ nodes: [NodeID]) -> NodeID? {
        nodes.min { (primaries[$0, default: 0], $0) < (primaries[$1, default: 0], $1) }
    }
}

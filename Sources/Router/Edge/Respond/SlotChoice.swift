import Identity
import Placement
import Routing

/// Picks the slot of a new root entity: at random, away from nodes that carry more than their share.
///
/// A fresh random key spreads entities evenly over all slots. Of two random slots whose primaries serve, the one on
/// the less loaded node is taken ("power of two choices"): that evens out, yet sends no burst to one place as picking
/// the least loaded would. A node's load is what it leads relative to its weight.
struct SlotChoice {
    /// Draws until a slot that serves is found; with half of the cluster gone, all fail once in 2^32 times.
    static let maximumDraws = 32

    private let view: any ClusterView

    init(view: any ClusterView) { self.view = view }

    /// `nil` when no slot's primary is registered.
    func pick(using generator: inout some RandomNumberGenerator) -> Slot? {
        var first: (slot: Slot, primary: NodeRecord)?
        for _ in 0..<SlotChoice.maximumDraws {
            let slot = Slot(truncating: generator.next())
            guard let row = view.row(slot), let primary = view.node(row.primary), !primary.isDraining,
                !primary.isDiskFull
            else { continue }
            guard let other = first else {
                first = (slot, primary)
                continue
            }
            guard other.primary.id != primary.id else { return other.slot }
            let rows = view.rows
            return load(primary, rows) < load(other.primary, rows) ? slot : other.slot
        }
        return first?.slot
    }

    /// Slots led, per hundred of weight.
    private func load(_ node: NodeRecord, _ rows: [ShardMapRow]) -> Double {
        Double(rows.count { $0.primary == node.id }) * 100 / Double(max(node.weight, 1))
    }
}

import Identity
import Placement
import Synchronization

/// The placement's plans, kept: a plan is for 1,024 slots, and the same few are asked for again and again.
enum Plans {
    private struct Question: Hashable {
        var row: PlacementRow
        var nodes: [PlacementNode]
    }

    private static let known = Mutex<[Question: [NodeID]]>([:])

    /// Where the plan puts a slot, given where it is.
    static func nodes(for row: PlacementRow, among nodes: [PlacementNode]) -> [NodeID] {
        let question = Question(row: row, nodes: nodes)
        if let answer = known.withLock({ $0[question] }) { return answer }
        let settings = PlacementSettings(replicationFactor: 3)
        let rows = try? plan(nodes: nodes, current: [row], settings: settings)
        let answer = rows?[Int(row.slot.rawValue)].nodes ?? []
        known.withLock { $0[question] = answer }
        return answer
    }
}

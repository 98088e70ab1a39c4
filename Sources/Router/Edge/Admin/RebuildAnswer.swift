import Control
import Identity

/// What making the shard map anew would do, or has done.
struct RebuildAnswer: Encodable {
    struct Request: Decodable { var acceptLoss: Bool }

    struct Node: Encodable {
        var id: String
        var slots: Int
    }

    struct Doubt: Encodable {
        var slot: UInt16
        var reason: String
        /// Who would lead it with the loss accepted.
        var primary: String
    }

    /// Rows from the disks, and rows of the coordinator that no disk knows better.
    var rebuilt: Int
    var kept: Int
    var answered: [Node]
    var missing: [Node]
    /// Slots of which acknowledged writes may be lost.
    var doubts: [Doubt]

    init(_ plan: MapRebuild) {
        func nodes(_ counts: [NodeID: Int]) -> [Node] {
            counts.sorted { $0.key < $1.key }.map { Node(id: $0.key.rawValue, slots: $0.value) }
        }
        rebuilt = plan.rows.count
        kept = plan.kept
        answered = nodes(plan.answered)
        missing = nodes(plan.absent)
        doubts = plan.doubts.map {
            Doubt(slot: $0.slot.rawValue, reason: $0.reason, primary: $0.row.primary.rawValue)
        }
    }
}

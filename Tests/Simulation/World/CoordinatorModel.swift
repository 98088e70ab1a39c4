import Identity
import Placement
import Replication

/// The rows, changed by compare-and-swap one after the other; calls may be late, lost on their way there or back.
struct CoordinatorModel {
    var rows: [ShardMapRow?]
    /// No call gets through before this time.
    var awayUntil: Int64 = 0
    /// Calls wait until this time.
    var pausedUntil: Int64 = 0
    var losesOutcomesUntil: Int64 = 0
    /// By node: until when it does not reach the coordinator.
    var lostUntil: [Int64]

    init(slots: Int, nodes: Int) {
        rows = Array(repeating: nil, count: slots)
        lostUntil = Array(repeating: 0, count: nodes)
    }

    /// - Returns: whether the row was swapped.
    mutating func swap(_ slot: Int, _ swap: RowSwap) -> Bool {
        guard rows[slot] == swap.expected else { return false }
        rows[slot] = swap.new
        return true
    }
}

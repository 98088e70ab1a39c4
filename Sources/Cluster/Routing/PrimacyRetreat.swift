import Coordination
import Identity
import Logging
import NIOCore
import Placement

/// Gives away what a node is primary of, because it must not be primary: it asks, by the rows' targets as the controller
/// does, that another in-sync replica become primary; this node stays a replica. What no other node holds stays.
public struct PrimacyRetreat: Sendable {
    private let node: NodeID
    private let coordinator: any Coordinator
    private let view: any ClusterView
    private let logger: Logger

    public init(node: NodeID, coordinator: any Coordinator, view: any ClusterView, logger: Logger) {
        self.node = node
        self.coordinator = coordinator
        self.view = view
        self.logger = logger
    }

    /// The row that asks another node to become primary; `nil` when there is none that could, or one is asked already.
    static func retreat(_ row: ShardMapRow, of node: NodeID, to isFit: (NodeID) -> Bool) -> ShardMapRow? {
        guard row.primary == node, row.target.first.map({ $0 == node }) ?? true else { return nil }
        // Spread over the others by the slot's number.
        let fit = row.inSync.filter { $0 != node && isFit($0) }.sorted()
        guard !fit.isEmpty else { return nil }
        let chosen = fit[Int(row.slot.rawValue) % fit.count]
        var wanted = row
        wanted.epoch = row.epoch.next
        // A move that is under way goes on, only with another first.
        let holders = row.target.isEmpty ? row.inSync : row.target
        wanted.target = [chosen] + holders.filter { $0 != chosen }
        return wanted
    }

    /// Asks for all that can be given away now.
    ///
    /// - Returns: how many rows were written.
    public func run() async -> Int {
        var changes: [(old: ShardMapRows.Held, new: ShardMapRow)] = []
        for row in view.rows {
            guard let held = view.held(row.slot) else { continue }
            let wanted = PrimacyRetreat.retreat(held.row, of: node) { id in
                view.node(id).map { $0.canReplicate && !$0.isDraining } ?? false
            }
            if let wanted { changes.append((held, wanted)) }
        }
        var written = 0
        for batch in changes.batches(of: CoordinatorTransaction.maximumOperations) {
            let transaction = CoordinatorTransaction(
                conditions: batch.map { .revision(CoordinatorKey.slot($0.new.slot), $0.old.revision) },
                operations: batch.map { .put(CoordinatorKey.slot($0.new.slot), $0.new.encoded(), lease: nil) })
            do {
                // A batch in which a row has changed is asked for again with the next round.
                if try await coordinator.commit(transaction) != nil { written += batch.count }
            } catch {
                logger.info("primacies cannot be given away yet", metadata: ["reason": "\(error)"])
                break
            }
        }
        return written
    }
}

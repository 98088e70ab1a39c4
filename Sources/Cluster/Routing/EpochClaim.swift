import Coordination
import Identity
import Logging
import NIOCore
import Placement
import Wire

/// Wins new epochs for the slots that a guild node is primary of, before it serves them.
///
/// A process that was restarted has lost what it promised and was promised, so it must win a new epoch even where the
/// row still names it (DESIGN §6.5). The rows are swapped in transactions of at most 60.
public struct EpochClaim: Sendable {
    private let node: NodeID
    private let coordinator: any Coordinator
    private let logger: Logger

    public init(node: NodeID, coordinator: any Coordinator, logger: Logger) {
        self.node = node
        self.coordinator = coordinator
        self.logger = logger
    }

    /// Claims every row that names the node as primary at its turn; rows that were given to others meanwhile are left.
    ///
    /// - Parameters:
    ///   - slots: only these; `nil` means all.
    ///   - known: the highest epoch that the node's disk has seen of a slot. The new one lies above it, even when the
    ///     coordinator was restored from an old backup.
    /// - Returns: the rows as they were written, in slot order.
    public func run(
        slots: Set<Slot>? = nil, above known: [Slot: Epoch] = [:], deadline: NIODeadline
    ) async throws(ClusterFailure) -> [ShardMapRow] {
        var won: [Slot: ShardMapRow] = [:]
        var backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1))
        while true {
            var last = ClusterFailure.deadlineExceeded("new epochs for the slots of \(node)")
            do throws(ClusterFailure) {
                // Rows won in an earlier round stay won; a commit without an answer is won again, at a higher epoch.
                let open = try await ShardMapRows.list(coordinator).rows.values.filter {
                    $0.row.primary == node && won[$0.row.slot] == nil && slots?.contains($0.row.slot) ?? true
                }
                let lost = try await swap(open.sorted { $0.row.slot < $1.row.slot }, above: known, into: &won)
                if !lost { return won.values.sorted { $0.slot < $1.slot } }
            } catch {
                guard case .coordinator(.unavailable) = error else { throw error }
                logger.warning("new epochs could not be won yet", metadata: ["reason": "\(error)"])
                last = error
            }
            guard await backoff.pause(until: deadline) else { throw last }
        }
    }

    /// - Returns: whether a batch was lost to a concurrent change.
    private func swap(
        _ held: [ShardMapRows.Held], above known: [Slot: Epoch], into won: inout [Slot: ShardMapRow]
    ) async throws(ClusterFailure) -> Bool {
        var lost = false
        for batch in held.batches(of: CoordinatorTransaction.maximumOperations) {
            let rows = batch.map { held in
                var row = held.row
                row.epoch = max(row.epoch, known[row.slot] ?? .zero).next
                return row
            }
            let transaction = CoordinatorTransaction(
                conditions: batch.map { .revision(CoordinatorKey.slot($0.row.slot), $0.revision) },
                operations: rows.map { .put(CoordinatorKey.slot($0.slot), $0.encoded(), lease: nil) })
            let revision: UInt64?
            do { revision = try await coordinator.commit(transaction) } catch { throw .coordinator(error) }
            guard revision != nil else {
                lost = true
                continue
            }
            for row in rows { won[row.slot] = row }
        }
        return lost
    }
}

extension ClusterMember {
    /// Wins new epochs for the slots that this node is primary of (see ``EpochClaim``); its own view knows them at once.
    public func claimEpochs(
        slots: Set<Slot>? = nil, above known: [Slot: Epoch] = [:], deadline: NIODeadline
    ) async throws(ClusterFailure) -> [ShardMapRow] {
        let rows = try await EpochClaim(node: id, coordinator: coordinator, logger: logger)
            .run(slots: slots, above: known, deadline: deadline)
        _ = view.update { state in (rows.compactMap { state.take($0) }, ()) }
        return rows
    }
}

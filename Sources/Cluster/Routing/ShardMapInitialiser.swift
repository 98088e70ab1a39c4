import Coordination
import Identity
import Logging
import NIOCore
import Placement
import Wire

/// Writes the shard map at a cluster's first start. The router that serves the coordinator runs it.
///
/// It waits for the expected number of guild nodes, so that the first to come is not given everything; plans; and
/// writes the rows that are missing, each only if it is absent. Interrupted anywhere, or run twice, it goes on where it
/// was: written rows stay as they are and count in the plan.
public struct ShardMapInitialiser: Sendable {
    public struct Settings: Sendable {
        /// Guild nodes to wait for.
        public var guildNodes: Int
        /// Copies of each slot; 0: as many as there are nodes, up to three.
        public var replicationFactor = 0
        /// Tighter than for a living cluster, since nothing has to be moved.
        public var bound = 1.02

        public init(guildNodes: Int) { self.guildNodes = guildNodes }
    }

    private let coordinator: any Coordinator
    private let settings: Settings
    private let logger: Logger

    public init(coordinator: any Coordinator, settings: Settings, logger: Logger) {
        self.coordinator = coordinator
        self.settings = settings
        self.logger = logger
    }

    /// Returns once all 1,024 rows stand in the coordinator.
    ///
    /// - Throws: ``ClusterFailure/deadlineExceeded(_:)``, with what was missing; ``ClusterFailure/unreadable(key:reason:)``.
    public func run(deadline: NIODeadline = .distantFuture) async throws(ClusterFailure) {
        var backoff = Backoff(initial: .milliseconds(50), maximum: .milliseconds(500))
        var told = ""
        while true {
            let missing: String
            do throws(ClusterFailure) {
                guard let lack = try await step() else { return }
                missing = lack
            } catch .coordinator(.unavailable(let reason)) {
                missing = "the coordinator is unavailable: \(reason)"
            } catch {
                throw error
            }
            if missing != told { logger.notice("the shard map is not made yet", metadata: ["waits_for": "\(missing)"]) }
            told = missing
            guard await backoff.pause(until: deadline) else { throw .deadlineExceeded("the shard map: \(missing)") }
        }
    }

    /// Does what can be done now.
    ///
    /// - Returns: what is missing; `nil` when the map is whole.
    private func step() async throws(ClusterFailure) -> String? {
        let listing = try await ShardMapRows.list(coordinator)
        if listing.rows.count == Int(Slot.count) { return nil }
        do throws(CoordinatorFailure) {
            if try await coordinator.get(CoordinatorKey.rebuilding) != nil {
                return "it is to be made anew from the guild nodes' disks: guildctl coordinator rebuild"
            }
        } catch { throw .coordinator(error) }
        let nodes = try await guildNodes()
        for node in nodes {
            // What it holds by the rows of an interrupted first start is no loss.
            let lost = node.heldSlots - listing.rows.values.count { $0.row.holders.contains(node.id) }
            guard lost <= 0 else {
                return
                    "the disk of \(node.id) holds \(lost) slots that the shard map lacks, so the coordinator's data was "
                    + "lost: guildctl coordinator rebuild"
            }
        }
        guard nodes.count >= settings.guildNodes else {
            return "\(nodes.count) of \(settings.guildNodes) guild nodes have come"
        }
        let written = Set(listing.rows.keys)
        let current = listing.rows.values.map { PlacementRow($0.row) }
        let most = settings.replicationFactor > 0 ? settings.replicationFactor : min(nodes.count, 3)
        // Who speaks an older version of the protocol holds slots alone.
        let copies = nodes.allSatisfy(\.canReplicate) ? most : 1
        let planned: [PlacementRow]
        do throws(PlacementFailure) {
            planned = try plan(
                nodes: nodes.map { PlacementNode($0) }, current: current,
                settings: PlacementSettings(bound: settings.bound, replicationFactor: copies))
        } catch { throw .placement("\(error)") }
        let fresh = planned.filter { !written.contains($0.slot) }.map { row in
            ShardMapRow(
                slot: row.slot, epoch: Epoch(rawValue: 1), primary: row.nodes[0], inSync: [row.nodes[0]],
                learners: Array(row.nodes.dropFirst()))
        }
        logger.info(
            "writing the shard map", metadata: ["rows": "\(fresh.count)", "nodes": "\(nodes.map(\.id.rawValue))"])
        for batch in fresh.batches(of: CoordinatorTransaction.maximumOperations) {
            let transaction = CoordinatorTransaction(
                conditions: batch.map { .absent(CoordinatorKey.slot($0.slot)) },
                operations: batch.map { .put(CoordinatorKey.slot($0.slot), $0.encoded(), lease: nil) })
            do throws(CoordinatorFailure) {
                guard try await coordinator.commit(transaction) != nil else {
                    return "somebody else writes the shard map too"
                }
            } catch { throw .coordinator(error) }
        }
        return nil
    }

    private func guildNodes() async throws(ClusterFailure) -> [NodeRecord] {
        do throws(CoordinatorFailure) {
            let listing = try await coordinator.list(prefix: CoordinatorKey.nodes)
            return listing.entries.compactMap { try? NodeRecord(decoding: $0.value) }
                .filter { $0.roles.contains(.guild) && !$0.isDraining }
        } catch { throw .coordinator(error) }
    }
}

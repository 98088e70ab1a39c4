import Coordination
import Identity
import NIOCore

/// The first step after the coordinator's data was lost: puts the cluster's record, from a guild node's copy, into an
/// empty coordinator, so that the guild nodes can join; the shard map is then made anew from their disks.
///
/// The key `rebuilding` goes with it: until the map is rebuilt, nobody writes a fresh one.
public struct RecordRestoration: Sendable {
    public enum Outcome: Hashable, Sendable {
        case restored
        /// A router that was started before had made a cluster of its own, without any slot.
        case replaced(ClusterID)
        case wasThere
    }

    private let coordinator: any Coordinator

    public init(coordinator: any Coordinator) { self.coordinator = coordinator }

    /// - Throws: ``ClusterFailure/restoration(_:)`` when the coordinator holds another cluster with a shard map, or is
    ///   the source or destination of a migration.
    public func run(_ record: ClusterRecord) async throws(ClusterFailure) -> Outcome {
        for key in [CoordinatorKey.movedTo, CoordinatorKey.arriving] where try await get(key) != nil {
            throw .restoration("a migration to or from this coordinator was begun")
        }
        let found = try await get(CoordinatorKey.cluster)
        var outcome = Outcome.restored
        if let found {
            let there = try ClusterRecord.read(found)
            if there.id == record.id { return .wasThere }
            guard try await ShardMapRows.list(coordinator).rows.isEmpty else {
                throw .restoration("the coordinator holds another cluster, \(there.id), with a shard map")
            }
            outcome = .replaced(there.id)
        }
        let condition: CoordinatorTransaction.Condition =
            found.map { .revision($0.key, $0.revision) } ?? .absent(CoordinatorKey.cluster)
        do {
            let revision = try await coordinator.commit(
                CoordinatorTransaction(
                    conditions: [condition],
                    operations: [
                        .put(CoordinatorKey.cluster, record.encoded(), lease: nil),
                        .put(CoordinatorKey.rebuilding, ByteBuffer(string: record.id.rawValue), lease: nil),
                    ]))
            guard revision != nil else { throw ClusterFailure.restoration("somebody else has just written a record") }
        } catch let failure as ClusterFailure { throw failure } catch let failure as CoordinatorFailure {
            throw .coordinator(failure)
        } catch {
            throw .restoration("\(error)")
        }
        return outcome
    }

    private func get(_ key: String) async throws(ClusterFailure) -> CoordinatorEntry? {
        do { return try await coordinator.get(key) } catch { throw .coordinator(error) }
    }
}

import Coordination
import Identity
import Placement
import Wire

/// The shard map as it stands in the coordinator, with the revisions that compare-and-swap needs.
public struct ShardMapRows: Sendable {
    public struct Held: Hashable, Sendable {
        public var row: ShardMapRow
        /// Of the coordinator's key.
        public var revision: UInt64

        public init(row: ShardMapRow, revision: UInt64) {
            self.row = row
            self.revision = revision
        }
    }

    public var rows: [Slot: Held]

    public static func list(_ coordinator: any Coordinator) async throws(ClusterFailure) -> ShardMapRows {
        let listing: CoordinatorListing
        do { listing = try await coordinator.list(prefix: CoordinatorKey.slots) } catch { throw .coordinator(error) }
        var rows: [Slot: Held] = [:]
        for entry in listing.entries {
            do throws(FieldError) {
                let row = try ShardMapRow(decoding: entry.value)
                rows[row.slot] = Held(row: row, revision: entry.revision)
            } catch { throw .unreadable(key: entry.key, reason: "\(error)") }
        }
        return ShardMapRows(rows: rows)
    }
}

extension Array {
    func batches(of size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}

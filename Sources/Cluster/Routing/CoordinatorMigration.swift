import Coordination
import Identity
import NIOCore

/// Copies a cluster's keys from the embedded coordinator to another one, so that at every moment at most one of them
/// can start the cluster.
///
/// The source is opened from its folder, whose lock keeps a router from serving it meanwhile. Then, in this order:
///
/// 1. the destination gets the key `arriving` (only if it holds no cluster): no process starts there;
/// 2. the source gets the key `moved-to`: no process starts there any more, for good;
/// 3. all keys are copied but the cluster's record and what hangs on leases, and compared;
/// 4. one transaction puts the record and takes `arriving` away: from now on the cluster starts at the destination.
///
/// Cut short anywhere, it is run again and goes on: each step finds what is done.
public struct CoordinatorMigration: Sendable {
    public struct Report: Hashable, Sendable {
        public var cluster: ClusterID
        /// Keys that stand in the destination, the record included.
        public var keys: Int
        /// The destination had everything already.
        public var wasDone: Bool
    }

    /// Bytes of a transaction's values; etcd takes requests of 1.5 MiB.
    static let batchBytes = 512 << 10

    private let source: EmbeddedCoordinator
    private let destination: any Coordinator
    private let place: String

    /// - Parameter place: the destination, in words: operators read it when a process is started at the source.
    public init(from source: EmbeddedCoordinator, to destination: any Coordinator, place: String) {
        self.source = source
        self.destination = destination
        self.place = place
    }

    /// - Throws: ``ClusterFailure/migration(_:)`` when the destination holds another cluster, or the source none.
    public func run() async throws(ClusterFailure) -> Report {
        guard let entry = try await get(CoordinatorKey.cluster, source) else { throw .notInitialised }
        let record = try ClusterRecord.read(entry)
        let isFenced = try await get(CoordinatorKey.movedTo, source) != nil
        let leased = await source.leasedKeys()
        let kept = try await list(source).filter {
            !leased.contains($0.key) && ![CoordinatorKey.cluster, CoordinatorKey.movedTo].contains($0.key)
        }
        if let there = try await get(CoordinatorKey.cluster, destination) {
            let found = try ClusterRecord.read(there)
            guard found.id == record.id else {
                throw .migration("the destination holds another cluster, \(found.id); use an empty prefix")
            }
            guard isFenced else {
                throw .migration(
                    "the destination holds this cluster already, though it was not moved from here: nothing is copied")
            }
            return Report(cluster: record.id, keys: try await list(destination).count, wasDone: true)
        }
        try await announce(record, isFenced: isFenced)
        if !isFenced {
            try await commit([], [.put(CoordinatorKey.movedTo, ByteBuffer(string: place), lease: nil)], source)
        }
        try await copy(kept)
        try await compare(kept)
        try await commit(
            [.absent(CoordinatorKey.cluster)],
            [.put(CoordinatorKey.cluster, entry.value, lease: nil), .delete(CoordinatorKey.arriving)], destination)
        return Report(cluster: record.id, keys: kept.count + 1, wasDone: false)
    }

    private func announce(_ record: ClusterRecord, isFenced: Bool) async throws(ClusterFailure) {
        if let arriving = try await get(CoordinatorKey.arriving, destination) {
            guard String(buffer: arriving.value) == record.id.rawValue else {
                throw .migration(
                    "another cluster, \(String(buffer: arriving.value)), is being moved to the destination")
            }
            return
        }
        guard !isFenced else {
            let fence = try await get(CoordinatorKey.movedTo, source).map { String(buffer: $0.value) } ?? "elsewhere"
            throw .migration("the cluster was moved to \(fence), and the destination given knows nothing of it")
        }
        guard try await list(destination).isEmpty else {
            throw .migration("the destination holds keys under the prefix already; use an empty one")
        }
        try await commit(
            [.absent(CoordinatorKey.cluster), .absent(CoordinatorKey.arriving)],
            [.put(CoordinatorKey.arriving, ByteBuffer(string: record.id.rawValue), lease: nil)], destination)
    }

    private func copy(_ entries: [CoordinatorEntry]) async throws(ClusterFailure) {
        var batch: [CoordinatorTransaction.Operation] = []
        var bytes = 0
        for entry in entries {
            if batch.count == CoordinatorTransaction.maximumOperations
                || bytes + entry.value.readableBytes > CoordinatorMigration.batchBytes, !batch.isEmpty
            {
                try await commit([.absent(CoordinatorKey.cluster)], batch, destination)
                batch = []
                bytes = 0
            }
            batch.append(.put(entry.key, entry.value, lease: nil))
            bytes += entry.value.readableBytes
        }
        if !batch.isEmpty { try await commit([.absent(CoordinatorKey.cluster)], batch, destination) }
    }

    private func compare(_ entries: [CoordinatorEntry]) async throws(ClusterFailure) {
        let there = try await list(destination).filter { $0.key != CoordinatorKey.arriving }
        guard there.map(\.key) == entries.map(\.key), there.map(\.value) == entries.map(\.value) else {
            throw .migration("what stands in the destination is not what was copied: somebody else writes there")
        }
    }

    // MARK: Access

    private func get(_ key: String, _ place: any Coordinator) async throws(ClusterFailure) -> CoordinatorEntry? {
        do { return try await place.get(key) } catch { throw .coordinator(error) }
    }

    private func list(_ place: any Coordinator) async throws(ClusterFailure) -> [CoordinatorEntry] {
        do { return try await place.list(prefix: "").entries } catch { throw .coordinator(error) }
    }

    private func commit(
        _ conditions: [CoordinatorTransaction.Condition], _ operations: [CoordinatorTransaction.Operation],
        _ place: any Coordinator
    ) async throws(ClusterFailure) {
        let transaction = CoordinatorTransaction(conditions: conditions, operations: operations)
        let revision: UInt64?
        do { revision = try await place.commit(transaction) } catch { throw .coordinator(error) }
        if revision == nil { throw .migration("somebody else has changed the destination meanwhile") }
    }
}

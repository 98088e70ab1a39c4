import Identity
import Placement
import Wire

/// What a rebalance would do: the moves, and the balance before and after. A pure function of what is known.
public struct RebalancePlan: Sendable {
    public enum Measure: String, Sendable, CaseIterable {
        /// Each slot weighs what it costs.
        case load
        /// All slots weigh the same.
        case slots
    }

    /// What one node holds.
    public struct Share: Hashable, Sendable {
        public var primaries = 0
        /// Copies that are not primary.
        public var replicas = 0
        /// Its part of the load of all primaries, from 0 to 1.
        public var load = 0.0
        public var storedBytes = 0

        public init() {}
    }

    public struct NodeBalance: Hashable, Sendable {
        public var node: NodeID
        public var before: Share
        public var after: Share
    }

    /// What one byte is guessed to take when no bandwidth is set.
    static let usualBandwidth = 50.0 * 1024 * 1024
    /// What one move takes beside its bytes: three changes of its row, and a hand-over.
    static let moveSeconds = 0.5

    public var moves: [SlotMove]
    /// Bytes that must be sent.
    public var bytes: Int
    public var balance: [NodeBalance]

    /// Plans for the nodes that are registered and stay.
    public static func make(
        rows: [ShardMapRow], nodes: [NodeRecord], departures: NodeDepartures, settings: ClusterSettings,
        book: LoadBook, measure: Measure = .load, bound: Double = 1.05
    ) throws(ControlFailure) -> RebalancePlan {
        guard rows.count == Int(Slot.count) else { throw .conflict("the shard map is not complete yet") }
        let guilds = nodes.filter { $0.roles.contains(.guild) }
        let older = guilds.filter { !$0.canReplicate && !departures.removed.contains($0.id) }.map(\.id.rawValue)
            .sorted()
        guard older.isEmpty else {
            throw .conflict(
                "\(older.joined(separator: ", ")) can take no copies, nor give any: upgrade it first, or take away its "
                    + "transport.protocol-max")
        }
        let registered = Set(guilds.map(\.id))
        let holders = rows.reduce(into: Set<NodeID>()) { $0.formUnion($1.holders) }
        let missing = holders.filter { !registered.contains($0) && !departures.contains($0) }.sorted()
        guard missing.isEmpty else {
            throw .conflict(
                "\(missing.map(\.rawValue).joined(separator: ", ")) holds slots and is not registered: "
                    + "wait for it, or give it up with `guildctl node remove`")
        }
        let places = guilds.filter { !departures.removed.contains($0.id) }.map { record in
            var place = PlacementNode(record)
            place.isDraining = place.isDraining || departures.draining.contains(record.id)
            return place
        }
        let factor = settings.replication(guildNodes: guilds.count { !departures.contains($0.id) }).factor
        let weights = measure == .load ? book.weights() : []
        var planned: [PlacementRow]
        do {
            planned = try plan(
                nodes: places, loads: weights,
                current: rows.map {
                    PlacementRow(
                        slot: $0.slot, nodes: $0.target.isEmpty ? $0.holders : $0.target, isPinned: $0.isPinned)
                }, settings: PlacementSettings(bound: bound, replicationFactor: factor))
        } catch { throw .conflict("no plan: \(error)") }
        var moves: [SlotMove] = []
        let full = Set(guilds.filter(\.isDiskFull).map(\.id))
        for (index, row) in rows.sorted(by: { $0.slot < $1.slot }).enumerated() {
            let wanted = planned[index]
            // Who has no space gets nothing more; the slot stays for now.
            let gives = wanted.nodes.contains { full.contains($0) && !row.holders.contains($0) }
            if gives || row.primary != wanted.nodes[0] && full.contains(wanted.nodes[0]) {
                planned[index].nodes = row.holders
                continue
            }
            guard wanted.nodes.first != row.primary || Set(wanted.nodes) != Set(row.holders) else { continue }
            moves.append(SlotMove(slot: row.slot, from: row.holders, to: wanted.nodes))
        }
        let stored = book.storedBytes
        let bytes = moves.reduce(0) { $0 + stored[Int($1.slot.rawValue)] * $1.added.count }
        return RebalancePlan(
            moves: moves, bytes: bytes,
            balance: balance(
                before: rows.map { ($0.slot, $0.holders) }, after: planned.map { ($0.slot, $0.nodes) },
                nodes: registered.union(holders), weights: book.weights(), stored: stored))
    }

    private static func balance(
        before: [(Slot, [NodeID])], after: [(Slot, [NodeID])], nodes: Set<NodeID>, weights: [Double], stored: [Int]
    ) -> [NodeBalance] {
        let total = weights.reduce(0, +)
        func shares(_ rows: [(Slot, [NodeID])]) -> [NodeID: Share] {
            var shares: [NodeID: Share] = [:]
            for (slot, holders) in rows {
                for (rank, node) in holders.enumerated() {
                    var share = shares[node] ?? Share()
                    if rank == 0 {
                        share.primaries += 1
                        share.load += weights[Int(slot.rawValue)] / total
                    } else {
                        share.replicas += 1
                    }
                    share.storedBytes += stored[Int(slot.rawValue)]
                    shares[node] = share
                }
            }
            return shares
        }
        let (old, new) = (shares(before), shares(after))
        return nodes.sorted().map {
            NodeBalance(node: $0, before: old[$0] ?? Share(), after: new[$0] ?? Share())
        }
    }

    /// About how long it takes.
    public func expectedSeconds(concurrency: Int, bandwidth: Int) -> Double {
        let copying = Double(bytes) / (bandwidth > 0 ? Double(bandwidth) : RebalancePlan.usualBandwidth)
        return copying + Double(moves.count) * RebalancePlan.moveSeconds / Double(max(1, concurrency))
    }
}

import Identity
import Placement

/// In which order gateways stand in for each other: the same for all who know the same nodes (PROTOCOL.md, "Where a
/// session is found").
enum GatewayOrder {
    /// The gateways in the order in which a session's holder is chosen and looked for: by rendezvous hash of the
    /// session's id, those that drain last.
    static func successors(of session: SessionID, among nodes: [NodeRecord]) -> [NodeRecord] {
        ordered(session.description, nodes) { $0.isDraining ? 1 : 0 }
    }

    /// The gateways in the order in which `gateway` would journal to them: another zone before another machine before
    /// the same, then by rendezvous hash of the gateway's name. None that speaks a version of the protocol without it.
    static func buddies(of gateway: NodeID, among nodes: [NodeRecord]) -> [NodeRecord] {
        let own = nodes.first { $0.id == gateway }
        guard own?.canReplicate != false else { return [] }
        let others = nodes.filter { $0.id != gateway && !$0.isDraining && $0.canReplicate }
        return ordered(gateway.rawValue, others) { node in
            guard let own else { return 0 }
            if node.zone != own.zone { return 0 }
            return node.machine != own.machine ? 1 : 2
        }
    }

    private static func ordered(
        _ key: String, _ nodes: [NodeRecord], rank: (NodeRecord) -> Int
    ) -> [NodeRecord] {
        nodes.filter { $0.roles.contains(.gateway) }
            .map { (node: $0, rank: rank($0), hash: RendezvousHash.hash(key, seed: RendezvousHash.seed(of: $0.id))) }
            .sorted { ($0.rank, $0.hash, $0.node.id.rawValue) < ($1.rank, $1.hash, $1.node.id.rawValue) }
            .map(\.node)
    }
}

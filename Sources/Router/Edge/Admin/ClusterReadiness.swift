import Identity
import Placement
import Routing

/// Whether the cluster can serve clients, as this router sees it.
public struct ClusterReadiness: Sendable {
    public var assigned: Int
    /// Rows whose primary is registered as a guild node.
    public var primaryRegistered: Int
    /// Rows with a member that is not registered as a guild node, or with a node that is no member (any more, or yet).
    public var underReplicated: Int
    public var nodesByRole: [NodeRecord.Role: Int]

    public init(view: any ClusterView) {
        let rows = view.rows
        let nodes = view.nodes
        // A process registers before its stores are open; it has its roles from when it can serve them.
        let names = Set(nodes.filter { $0.roles.contains(.guild) }.map(\.id))
        assigned = rows.count
        primaryRegistered = rows.count { names.contains($0.primary) }
        underReplicated = rows.count {
            !$0.inSync.allSatisfy(names.contains) || !$0.learners.isEmpty || !$0.eligible.isEmpty
        }
        nodesByRole = [:]
        for role in NodeRecord.Role.allCases { nodesByRole[role] = nodes.count { $0.roles.contains(role) } }
    }

    /// What is missing; empty when the cluster is ready.
    public var waitingFor: [String] {
        var reasons: [String] = []
        let total = Int(Slot.count)
        if assigned < total { reasons.append("the shard map (\(assigned) of \(total) slots)") }
        if primaryRegistered < assigned {
            reasons.append("the primaries of \(assigned - primaryRegistered) slots")
        }
        if nodesByRole[.gateway, default: 0] == 0 { reasons.append("a gateway") }
        return reasons
    }
}

import Identity

/// A guild node as the planner sees it.
public struct PlacementNode: Hashable, Sendable {
    public var id: NodeID
    /// Its share relative to other nodes, in hundredths; 0 takes nothing, like a draining node.
    public var weight: Int
    /// The failure domain that replicas are spread over. A node without one is a domain of its own.
    public var zone: String
    /// Gives away what it has and gets nothing.
    public var isDraining: Bool

    public init(id: NodeID, weight: Int = 100, zone: String = "", isDraining: Bool = false) {
        self.id = id
        self.weight = weight
        self.zone = zone
        self.isDraining = isDraining
    }

    public init(_ record: NodeRecord) {
        self.init(id: record.id, weight: record.weight, zone: record.zone, isDraining: record.isDraining)
    }
}

/// Who is to hold a slot.
public struct PlacementRow: Hashable, Sendable {
    public var slot: Slot
    /// The primary first, then the replicas; fewer than the replication factor when there are fewer nodes.
    public var nodes: [NodeID]
    /// The operator keeps the primary where it is.
    public var isPinned: Bool

    public init(slot: Slot, nodes: [NodeID], isPinned: Bool = false) {
        self.slot = slot
        self.nodes = nodes
        self.isPinned = isPinned
    }

    /// The present state of a row: the nodes that hold its data, the primary first.
    public init(_ row: ShardMapRow) {
        self.init(slot: row.slot, nodes: row.holders, isPinned: row.isPinned)
    }

    public var primary: NodeID? { nodes.first }
}

public struct PlacementSettings: Hashable, Sendable {
    /// A node's load may be this many times its fair share (and over it by less than one slot more, since slots are not
    /// split); it should be at least one `bound`th of it.
    public var bound: Double
    /// Copies of each slot, the primary's included.
    public var replicationFactor: Int

    public init(bound: Double = 1.1, replicationFactor: Int = 1) {
        self.bound = bound
        self.replicationFactor = replicationFactor
    }
}

public enum PlacementFailure: Error, Hashable, Sendable {
    /// Nobody may take a slot: there is no node, or all are draining.
    case noNodes
    /// Two nodes have one name.
    case duplicateNode(NodeID)
    /// A setting or a load that makes no sense.
    case invalid(String)
}

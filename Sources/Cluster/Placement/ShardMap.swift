import Identity
import Wire

/// One row of the shard map: who serves a slot (DESIGN §4). Every change of it raises the epoch.
public struct ShardMapRow: Hashable, Sendable, FieldCodable {
    public var slot: Slot
    public var epoch: Epoch
    /// The node that may serve; whether it does depends on its lease from the in-sync replicas.
    public var primary: NodeID
    /// The nodes that hold every committed entry, the primary among them.
    public var inSync: [NodeID]
    /// Members whose removal left the in-sync set below ``minimum``. Nothing was committed since, so they hold all that
    /// is committed and may still campaign. Empty once the set is at the minimum again.
    public var eligible: [NodeID]
    /// Nodes that catch up.
    public var learners: [NodeID]
    /// The operator keeps the slot where it is.
    public var isPinned: Bool
    /// The smallest in-sync set that commits.
    public var minimum: Int
    /// The nodes that are to hold the slot, the wanted primary first; empty when it is to stay as it is. The primary
    /// works towards it and clears it when all is so.
    public var target: [NodeID]
    /// The node that led the slot by plan, before it failed or was stopped: it is to lead again once it can. `nil` while
    /// nothing but plans has changed the primary.
    public var home: NodeID?

    public init(
        slot: Slot, epoch: Epoch, primary: NodeID, inSync: [NodeID], eligible: [NodeID] = [],
        learners: [NodeID] = [], isPinned: Bool = false, minimum: Int = 1, target: [NodeID] = [], home: NodeID? = nil
    ) {
        self.slot = slot
        self.epoch = epoch
        self.primary = primary
        self.inSync = inSync
        self.eligible = eligible
        self.learners = learners
        self.isPinned = isPinned
        self.minimum = minimum
        self.target = target
        self.home = home
    }

    /// All nodes that hold the slot's data or are about to, the primary first, each once.
    public var holders: [NodeID] {
        var nodes = [primary]
        for node in inSync + eligible + learners where !nodes.contains(node) { nodes.append(node) }
        return nodes
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, slot)
        writer.write(2, epoch)
        writer.write(3, primary.rawValue)
        for node in inSync { writer.write(4, node.rawValue) }
        for node in eligible { writer.write(5, node.rawValue) }
        for node in learners { writer.write(6, node.rawValue) }
        if isPinned { writer.write(7, true) }
        if minimum != 1 { writer.write(8, minimum) }
        for node in target { writer.write(9, node.rawValue) }
        if let home { writer.write(10, home.rawValue) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var slot: Slot?
        var epoch = Epoch.zero
        var primary: NodeID?
        var inSync: [NodeID] = []
        var eligible: [NodeID] = []
        var learners: [NodeID] = []
        var isPinned = false
        var minimum = 1
        var target: [NodeID] = []
        var home: NodeID?
        while let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: epoch = try field.epoch()
            case 3: primary = try field.nodeID()
            case 4: inSync.append(try field.nodeID())
            case 5: eligible.append(try field.nodeID())
            case 6: learners.append(try field.nodeID())
            case 7: isPinned = try field.bool()
            case 8: minimum = max(1, try field.int())
            case 9: target.append(try field.nodeID())
            case 10: home = try field.nodeID()
            default: break
            }
        }
        self.init(
            slot: try slot.required(1), epoch: epoch, primary: try primary.required(3), inSync: inSync,
            eligible: eligible, learners: learners, isPinned: isPinned, minimum: minimum, target: target,
            home: home)
    }
}

extension FieldReader.Field {
    public func nodeID() throws(FieldError) -> NodeID {
        guard let node = NodeID(rawValue: try string()) else { throw .invalidField(number) }
        return node
    }
}

/// What a process says of itself to the coordinator, under a lease.
public struct NodeRecord: Hashable, Sendable, FieldCodable {
    public enum Role: UInt64, Sendable, CaseIterable, CustomStringConvertible {
        case router = 1
        case guild = 2
        case gateway = 3
        case voice = 4

        public var description: String {
            switch self {
            case .router: "router"
            case .guild: "guild"
            case .gateway: "gateway"
            case .voice: "voice"
            }
        }
    }

    /// Of a record without them.
    private static let unsaidVersions: ClosedRange<UInt64> = 1...1

    public var id: NodeID
    public var roles: [Role]
    /// Where other nodes reach it.
    public var host: String
    public var port: Int
    /// Where its health and metrics are served.
    public var healthPort: Int
    /// Names the machine, so that processes on one pass sockets to each other.
    public var machine: String
    /// The failure domain that replicas are spread over; empty when there is none.
    public var zone: String
    /// Its share of the slots relative to other nodes, in hundredths.
    public var weight: Int
    /// A gateway's: the Unix socket that takes client sockets, and its own client address as `ws://host:port`.
    public var socketPath: String
    public var clientURL: String
    /// The store behind a guild node.
    public var store: String
    public var pid: Int
    public var version: String
    public var startedAt: Timestamp
    /// No new slots or sessions are to be placed here.
    public var isDraining: Bool
    /// The versions of the inter-node protocol that it speaks. Builds that know only the first say nothing of it.
    public var protocolVersions: ClosedRange<UInt64>
    /// The newest format of data that the process reads and writes.
    public var dataFormat: UInt64 = 1
    /// A guild node's disk is nearly full: it takes no writes, is to be primary of nothing, and gets no new copies.
    public var isDiskFull = false
    /// Slots that a guild node's disk holds, as counted now and then. Where the shard map lacks rows of them, the
    /// coordinator's data was lost, and a fresh map would lose theirs.
    public var heldSlots = 0

    public init(
        id: NodeID, roles: [Role], host: String, port: Int, healthPort: Int = 0, machine: String = "",
        zone: String = "", weight: Int = 100, socketPath: String = "", clientURL: String = "", store: String = "",
        pid: Int = 0, version: String = "", startedAt: Timestamp = Timestamp(milliseconds: 0), isDraining: Bool = false,
        protocolVersions: ClosedRange<UInt64> = ProtocolVersion.all
    ) {
        self.id = id
        self.roles = roles
        self.host = host
        self.port = port
        self.healthPort = healthPort
        self.machine = machine
        self.zone = zone
        self.weight = weight
        self.socketPath = socketPath
        self.clientURL = clientURL
        self.store = store
        self.pid = pid
        self.version = version
        self.startedAt = startedAt
        self.isDraining = isDraining
        self.protocolVersions = protocolVersions
    }

    /// Whether it may hold slots together with others, and take sessions that others hand over or journal.
    public var canReplicate: Bool { protocolVersions.upperBound >= ProtocolVersion.replication }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, id.rawValue)
        for role in roles { writer.write(2, role.rawValue) }
        writer.write(3, host)
        writer.write(4, port)
        writer.write(5, healthPort)
        writer.write(6, machine)
        writer.write(7, zone)
        writer.write(8, weight)
        writer.write(9, socketPath)
        writer.write(10, clientURL)
        writer.write(11, store)
        writer.write(12, pid)
        writer.write(13, version)
        writer.write(14, startedAt)
        if isDraining { writer.write(15, true) }
        if dataFormat != 1 { writer.write(16, dataFormat) }
        if isDiskFull { writer.write(19, true) }
        if heldSlots != 0 { writer.write(20, heldSlots) }
        guard protocolVersions != NodeRecord.unsaidVersions else { return }
        writer.write(17, protocolVersions.lowerBound)
        writer.write(18, protocolVersions.upperBound)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: NodeID?
        var lowest = NodeRecord.unsaidVersions.lowerBound
        var highest = NodeRecord.unsaidVersions.upperBound
        self.init(id: NodeID(rawValue: "unknown")!, roles: [], host: "", port: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try field.nodeID()
            case 2: if let role = Role(rawValue: try field.uint64()) { roles.append(role) }
            case 3: host = try field.string()
            case 4: port = try field.int()
            case 5: healthPort = try field.int()
            case 6: machine = try field.string()
            case 7: zone = try field.string()
            case 8: weight = try field.int()
            case 9: socketPath = try field.string()
            case 10: clientURL = try field.string()
            case 11: store = try field.string()
            case 12: pid = try field.int()
            case 13: version = try field.string()
            case 14: startedAt = try field.timestamp()
            case 15: isDraining = try field.bool()
            case 16: dataFormat = try field.uint64()
            case 17: lowest = try field.uint64()
            case 18: highest = try field.uint64()
            case 19: isDiskFull = try field.bool()
            case 20: heldSlots = try field.int()
            default: break
            }
        }
        guard lowest <= highest else { throw .invalidField(18) }
        protocolVersions = lowest...highest
        self.id = try id.required(1)
    }
}

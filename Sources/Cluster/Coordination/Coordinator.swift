import Identity
import NIOCore

/// The cluster's small, consistent store of membership and configuration (DESIGN §5).
///
/// Two implementations pass the same suite: the embedded one, kept on disk by the first router, and (with the next
/// issue) etcd. Keys are ASCII paths; see ``CoordinatorKey``.
public protocol Coordinator: Sendable {
    /// The value and its revision, or `nil` when the key does not exist.
    func get(_ key: String) async throws(CoordinatorFailure) -> CoordinatorEntry?
    /// All entries whose key begins with `prefix`, in key order, and the revision that they are as of.
    func list(prefix: String) async throws(CoordinatorFailure) -> CoordinatorListing
    /// Applies all operations when every condition holds, or none.
    ///
    /// - Returns: the new revision, or `nil` when a condition did not hold.
    func commit(_ transaction: CoordinatorTransaction) async throws(CoordinatorFailure) -> UInt64?
    /// A lease that ends after `duration` without ``keepAlive(_:)``; keys put under it vanish with it.
    func grantLease(_ duration: Duration) async throws(CoordinatorFailure) -> CoordinatorLease
    func keepAlive(_ lease: CoordinatorLease) async throws(CoordinatorFailure)
    func revoke(_ lease: CoordinatorLease) async throws(CoordinatorFailure)
    /// All changes to keys that begin with `prefix`, after `revision`, in order.
    ///
    /// The sequence throws ``CoordinatorFailure/compacted`` when the history does not reach back: list again. It
    /// reconnects by itself after a loss of connection, without a gap.
    func watch(prefix: String, after revision: UInt64) -> AsyncThrowingStream<CoordinatorChange, any Error>
}

public struct CoordinatorEntry: Hashable, Sendable {
    public var key: String
    public var value: ByteBuffer
    /// The revision of the last change of this key; what compare-and-swap compares.
    public var revision: UInt64

    public init(key: String, value: ByteBuffer, revision: UInt64) {
        self.key = key
        self.value = value
        self.revision = revision
    }
}

public struct CoordinatorListing: Hashable, Sendable {
    public var entries: [CoordinatorEntry]
    public var revision: UInt64

    public init(entries: [CoordinatorEntry], revision: UInt64) {
        self.entries = entries
        self.revision = revision
    }
}

public struct CoordinatorLease: Hashable, Sendable {
    public var id: UInt64
    public var duration: Duration

    public init(id: UInt64, duration: Duration) {
        self.id = id
        self.duration = duration
    }
}

public struct CoordinatorTransaction: Hashable, Sendable {
    /// Most operations of one transaction; etcd allows 128 with its conditions.
    public static let maximumOperations = 60

    public enum Condition: Hashable, Sendable {
        case absent(String)
        case revision(String, UInt64)
    }

    public enum Operation: Hashable, Sendable {
        case put(String, ByteBuffer, lease: CoordinatorLease?)
        case delete(String)
    }

    public var conditions: [Condition]
    public var operations: [Operation]

    public init(conditions: [Condition] = [], operations: [Operation]) {
        self.conditions = conditions
        self.operations = operations
    }
}

/// One change seen by a watch; `value` is absent when the key was deleted.
public struct CoordinatorChange: Hashable, Sendable {
    public var key: String
    public var value: ByteBuffer?
    public var revision: UInt64

    public init(key: String, value: ByteBuffer?, revision: UInt64) {
        self.key = key
        self.value = value
        self.revision = revision
    }
}

public enum CoordinatorFailure: Error, Hashable, Sendable {
    /// Out of reach or starting; for a commit the outcome is unknown.
    case unavailable(String)
    case leaseExpired
    case compacted
    case invalid(String)
}

/// The keys of a cluster.
public enum CoordinatorKey {
    /// ``ClusterRecord``.
    public static let cluster = "cluster"
    public static let nodes = "nodes/"
    public static let slots = "slots/"
    /// The offset of the cluster's clock in milliseconds, decimal; only in a cluster made for tests.
    public static let clockOffset = "clock-offset"
    /// ``ClusterSettings``.
    public static let settings = "settings"
    /// The router that runs the controller, under its lease.
    public static let controller = "controller"
    /// The rebalance under way, or the last one.
    public static let rebalance = "rebalance"
    /// The guild nodes that operators drain or have removed.
    public static let departures = "departures"
    /// What operators did that may lose data: a line of text each, under the time.
    public static let audit = "audit/"
    /// Where the cluster went, in words; a coordinator that has this key serves no process any more.
    public static let movedTo = "moved-to"
    /// The id of the cluster that is being copied here; no process starts, and none makes a cluster, meanwhile.
    public static let arriving = "arriving"
    /// The cluster's record was put back after a loss, and its shard map is to be made anew from the guild nodes' disks:
    /// nobody writes a fresh one meanwhile.
    public static let rebuilding = "rebuilding"

    public static func node(_ id: NodeID) -> String { nodes + id.rawValue }
    /// Four digits, so that key order is slot order.
    public static func slot(_ slot: Slot) -> String {
        let digits = String(slot.rawValue)
        return slots + String(repeating: "0", count: 4 - digits.count) + digits
    }
}

import Coordination
import Identity
import NIOCore
import Placement
import Wire

/// Reaches the primary of a slot wherever it is: looks up the row, calls the node, refreshes and retries when the slot
/// has moved, within the deadline (DESIGN §4).
public protocol SlotCaller: Sendable {
    /// - Parameters:
    ///   - requestID: for calls that change state; the same one goes with each retry, and the slot answers a repetition
    ///     with the first one's result. A call without one must read, or be harmless to repeat: it is retried too, also
    ///     when it may have run.
    /// - Returns: the body of ``SlotReply/done(_:)``.
    func call(
        _ slot: Slot, kind: SlotCall.Kind, body: ByteBuffer, requestID: RequestID?, deadline: NIODeadline
    ) async throws(SlotCallFailure) -> ByteBuffer
}

public enum SlotCallFailure: Error, Hashable, Sendable {
    /// No primary answered within the deadline, and none can have run the call; the last reason.
    case deadlineExceeded(String)
    /// The call may have run, and no answer came within the deadline; the last reason.
    case outcomeUnknown(String)
    /// The call will never succeed.
    case refused(String)
    /// No call that changes something can succeed: this process's clock and that of the slot's primary differ by more than
    /// ``RequestID/memory``.
    case clockApart(String)
}

/// The shard map and the nodes, as this process last heard of them.
public protocol ClusterView: Sendable {
    func row(_ slot: Slot) -> ShardMapRow?
    /// The row with the revision of its key, for a compare-and-swap; `nil` when this view does not know it.
    func held(_ slot: Slot) -> ShardMapRows.Held?
    func node(_ id: NodeID) -> NodeRecord?
    var nodes: [NodeRecord] { get }
    var rows: [ShardMapRow] { get }
    /// What operators ask of the whole cluster.
    var clusterSettings: ClusterSettings { get }
    /// Waits until the row of `slot` has at least `epoch`, or the deadline passes.
    func waitForRow(_ slot: Slot, atLeast epoch: Epoch, deadline: NIODeadline) async
    /// Rows and nodes as they change, from now on. Bounded: a slow consumer gets the newest state of each.
    func changes() -> AsyncStream<ClusterChange>
}

extension ClusterView {
    public func held(_ slot: Slot) -> ShardMapRows.Held? { nil }
    public var clusterSettings: ClusterSettings { ClusterSettings() }
}

public enum ClusterChange: Hashable, Sendable {
    case row(ShardMapRow)
    case node(NodeRecord)
    case nodeGone(NodeID)
}

import Identity
import Placement
import Replication

/// What a client asks of a slot, with the same request id at each attempt.
final class ClientCall {
    enum Kind {
        case append
        /// Through the uncommitted entries, answered when they are committed.
        case read
        /// Of the committed state, answered at once.
        case committedRead
    }

    let number: Int
    let client: Int
    let kind: Kind
    let slot: Int
    let channel: Int
    let request: RequestID
    /// Another slot that is to hear of the message.
    let destination: Int?
    let invoked: Int64
    let deadline: Int64
    var attempt = 0
    /// When the answer came, and what it was; absent while the outcome is unknown.
    var answered: Int64?
    var version = 0
    var hash: UInt64 = 0
    var id = Snowflake(rawValue: 0)

    init(
        number: Int, client: Int, kind: Kind, slot: Int, channel: Int, request: RequestID, destination: Int?,
        invoked: Int64, deadline: Int64
    ) {
        self.number = number
        self.client = client
        self.kind = kind
        self.slot = slot
        self.channel = channel
        self.request = request
        self.destination = destination
        self.invoked = invoked
        self.deadline = deadline
    }
}

enum ClientAnswer {
    case appended(SlotModel.Remembered)
    case contents(version: Int, hash: UInt64)
    /// Ask this node, if it is known.
    case moved(Int?)
    case unavailable
    case interrupted
}

enum NodeMessage {
    case append(slot: Int, AppendHead, [ModelEntry])
    case reply(slot: Int, AppendReply)
    case beacon(PeerLiveness.Beacon)
    case beaconReply(PeerLiveness.BeaconReply)
    case handOver(slot: Int, Epoch)
    case admission(slot: Int, Epoch, life: UInt64)
    case snapshot(slot: Int, Epoch, SlotModel)
    case snapshotInstalled(slot: Int, LogPosition)
    case effects(source: Int, destination: Int, [ModelEntry.Effect])
    case effectsApplied(source: Int, destination: Int, through: UInt64)
}

enum Event {
    case tick(node: Int, life: UInt64)
    case message(from: Int, to: Int, connection: Int, NodeMessage)
    case logWritten(node: Int, life: UInt64)
    case coordinatorCall(CoordinatorCall)
    case coordinatorAnswer(CoordinatorCall, ShardMapRow)
    case watch(node: Int, ShardMapRow)
    case swapTimeout(node: Int, life: UInt64, number: Int)
    case snapshotTimeout(node: Int, life: UInt64, slot: Int, to: Int)
    case nextCall(client: Int)
    case request(ClientCall, attempt: Int, node: Int)
    case answer(ClientCall, attempt: Int, ClientAnswer, from: Int)
    case attemptTimeout(ClientCall, attempt: Int)
    case retry(ClientCall, node: Int)
    case fault(Int)
    case heal(Int)
    case restart(node: Int)
    case resume(node: Int)
    case reconnect(Int, Int)
    case control
    case check

    /// The node at which it happens, when that is one's own doing: it waits while the node stands still.
    var node: Int? {
        switch self {
        case .tick(let node, _), .message(_, let node, _, _), .logWritten(let node, _), .watch(let node, _),
            .swapTimeout(let node, _, _), .snapshotTimeout(let node, _, _, _), .request(_, _, let node):
            node
        case .coordinatorAnswer(let call, _): call.node
        default: nil
        }
    }
}

/// A call of a node to the coordinator; nodes repeat a swap until its outcome is known.
final class CoordinatorCall {
    let node: Int
    let life: UInt64
    let slot: Int
    /// `nil` for reading the row.
    let swap: RowSwap?
    let number: Int
    /// When it was done; absent until then.
    var isDone = false

    init(node: Int, life: UInt64, slot: Int, swap: RowSwap?, number: Int) {
        self.node = node
        self.life = life
        self.slot = slot
        self.swap = swap
        self.number = number
    }
}

extension NodeMessage {
    /// For traces; absent for beacons, of which there are too many.
    var brief: String? {
        switch self {
        case .append(let slot, let head, let entries):
            "slot \(slot) append \(entries.count) in \(head.epoch) after \(head.previous), commit \(head.commitIndex)"
        case .reply(let slot, let reply):
            "slot \(slot) reply in \(reply.epoch): \(reply.result), commit \(reply.commitIndex)"
                + (reply.isBlank ? ", blank" : "")
        case .beacon, .beaconReply: nil
        case .handOver(let slot, let epoch): "slot \(slot) hand-over in \(epoch)"
        case .admission(let slot, let epoch, _): "slot \(slot) admission in \(epoch)"
        case .snapshot(let slot, let epoch, let state): "slot \(slot) snapshot in \(epoch) at \(state.applied)"
        case .snapshotInstalled(let slot, let position): "slot \(slot) snapshot installed at \(position)"
        case .effects(let source, let destination, let effects):
            "slot \(source) \(effects.count) effects to slot \(destination)"
        case .effectsApplied(let source, let destination, let through):
            "slot \(source) effects to slot \(destination) applied through \(through)"
        }
    }
}

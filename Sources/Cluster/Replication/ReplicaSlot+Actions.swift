import Identity
import Placement

/// A compare-and-swap of a slot's row in the coordinator: exactly `expected` becomes `new`, or nothing changes.
public struct RowSwap: Hashable, Sendable {
    public var expected: ShardMapRow
    public var new: ShardMapRow

    public init(expected: ShardMapRow, new: ShardMapRow) {
        self.expected = expected
        self.new = new
    }
}

/// The first part of an ``AppendMessage``, for a follower: the caller adds the entries after `previous` through
/// `through`, from memory or from the log. It may be sent later, as long as this node is primary in `epoch`.
public struct AppendOrder: Hashable, Sendable {
    public var to: NodeID
    public var epoch: Epoch
    public var previous: LogPosition
    /// Equal to `previous.index` when there is nothing to send but the commit index.
    public var through: LogIndex
    public var commitIndex: LogIndex
}

/// An ``AppendMessage`` without its bytes.
public struct AppendHead: Hashable, Sendable {
    public var epoch: Epoch
    public var previous: LogPosition
    public var commitIndex: LogIndex
    /// Of the entries, as each says of itself.
    public var positions: [LogPosition]

    public init(epoch: Epoch, previous: LogPosition, commitIndex: LogIndex, positions: [LogPosition]) {
        self.epoch = epoch
        self.previous = previous
        self.commitIndex = commitIndex
        self.positions = positions
    }
}

extension ReplicaSlot {
    public enum Action: Hashable, Sendable {
        /// Forget all entries from this index on, before anything that follows; what is then on disk is reported with
        /// ``generation`` as it is now.
        case truncate(from: LogIndex)
        /// Write these of the append's entries to the log, by their places in it.
        case persist(Range<Int>)
        case reply(to: NodeID, AppendReply)
        case append(AppendOrder)
        /// Everything through this index is committed and on this disk: apply it, then call ``applied(through:)``. May
        /// come again while it is being done.
        case apply(through: LogIndex)
        /// The slot is won: make an empty entry with this position and write it to the log.
        case open(LogPosition)
        /// The primacy is lost: what is uncommitted leaves memory, who waits is told to go elsewhere.
        case retire
        /// Swap the row, again and again while the outcome is unknown; report by
        /// ``ReplicaSlot/swapSettled(_:current:now:)``.
        case swap(RowSwap)
        /// Ask ``PeerLiveness/mayCampaign(for:epoch:now:)``, with the new row's epoch, and report by
        /// ``ReplicaSlot/campaignAllowed(_:)`` or ``ReplicaSlot/campaignRefused(_:)``.
        case campaign(RowSwap)
        /// Read the row from the coordinator: it has changed.
        case refreshRow
        case handOver(to: NodeID, epoch: Epoch)
        /// Tell a learner that it holds all that is committed: ``ReplicationMessage/admission(slot:epoch:life:)``.
        case admit(to: NodeID, epoch: Epoch, life: UInt64)
        /// Send the slot's snapshot to this learner; report by ``ReplicaSlot/snapshotSent(to:at:now:)`` or
        /// ``ReplicaSlot/snapshotFailed(to:now:)``.
        case sendSnapshot(to: NodeID)
        /// Write to disk that this node may stand as a member, and knows this epoch; then
        /// ``ReplicaSlot/noted(_:now:)``. Clearing the slot removes the note, and so does a snapshot that takes its
        /// place, before anything else of it is written.
        case noteEpoch(Epoch)
        /// The log here is not to be trusted, for this reason: clear the slot, then make a new value of an empty disk.
        case wipe(String)
        /// The row names this node no more: clear the slot's data and forget this value.
        case drop
    }
}

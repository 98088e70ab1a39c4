import Identity

/// The primary's side of a slot's replication, as a value without I/O (DESIGN §6).
///
/// Terms. An *entry* has an epoch and an index; indexes of a slot have no gaps. A *member* is a node of the in-sync
/// set. An entry is *durable* at a member when it and all before it are on that member's disk, *committed* when it is
/// durable at every member of the confirmed set and of a proposed set whose outcome is unknown, while the confirmed
/// set has at least ``minimum`` members. Only committed entries are *applied*.
///
/// Life. A node that won an epoch makes a `PrimarySlot` from its own log's end and calls ``open()``: an empty entry of
/// the new epoch. Until that entry is committed and applied the slot serves nothing, since only then is all that
/// earlier primaries acknowledged known to be committed here. Then ``propose()`` gives each entry its place; the
/// caller persists it here and sends it to the other members, reports each member's progress by
/// ``acknowledged(by:through:)``, applies what that commits and reports it by ``applied(through:)``. A change of the
/// in-sync set goes ``proposeInSync(_:)``, a swap of the row, then ``confirmInSync(_:epoch:)`` or
/// ``abandonInSync()``. After ``retire()`` nothing is proposed or committed any more.
///
/// Learners and the right to serve (the lease from the members) are not in here: a learner's progress does not count
/// for commits, and the caller asks its lease before it calls ``propose()`` or answers.
public struct PrimarySlot: Sendable {
    public typealias Position = LogPosition

    /// Why nothing may be proposed now.
    public enum Refusal: Error, Hashable, Sendable {
        /// The empty entry of this epoch is not committed and applied yet.
        case opening
        /// The confirmed in-sync set has fewer members than the minimum: writes are refused, not weakened.
        case belowMinimum
        /// The slot is being handed over to another node.
        case handingOver
        case retired
    }

    private enum Phase: Hashable {
        case new
        case opening(LogIndex)
        case serving
        case retired
    }

    public let slot: Slot
    public let node: NodeID
    /// Smallest confirmed in-sync set that commits.
    public private(set) var minimum: Int
    public private(set) var epoch: Epoch
    /// The confirmed in-sync set, this node among it.
    public private(set) var inSync: Set<NodeID>
    /// A set that was asked of the coordinator and may already hold.
    public private(set) var proposedInSync: Set<NodeID>?
    /// The last entry of this node's log, durable or not.
    public private(set) var lastIndex: LogIndex
    public private(set) var commitIndex: LogIndex
    public private(set) var appliedIndex: LogIndex
    private var durable: [NodeID: LogIndex]
    private var phase = Phase.new

    /// - Parameters:
    ///   - inSync: the confirmed set of the row that named this node, with it.
    ///   - lastIndex: the last entry of this node's log.
    ///   - durableIndex: how much of it is on disk; `nil` means all.
    ///   - appliedIndex: what this node has applied; never above `lastIndex`.
    public init(
        slot: Slot, node: NodeID, epoch: Epoch, inSync: Set<NodeID>, minimum: Int, lastIndex: LogIndex,
        durableIndex: LogIndex? = nil, appliedIndex: LogIndex
    ) {
        precondition(inSync.contains(node), "a primary is a member of its in-sync set")
        precondition(minimum >= 1, "an in-sync set has at least the primary")
        precondition(appliedIndex <= lastIndex, "nothing is applied that is not in the log")
        self.slot = slot
        self.node = node
        self.epoch = epoch
        self.inSync = inSync
        self.minimum = minimum
        self.lastIndex = lastIndex
        self.appliedIndex = appliedIndex
        commitIndex = appliedIndex
        durable = [node: durableIndex ?? lastIndex]
    }

    public var isServing: Bool { phase == .serving }
    public var isRetired: Bool { phase == .retired }

    /// Everyone whose disk an entry must reach before it is committed.
    public var members: Set<NodeID> { inSync.union(proposedInSync ?? []) }

    /// The place of the epoch's empty entry. Called once, first.
    public mutating func open() -> Position {
        precondition(phase == .new, "a primary opens once")
        lastIndex = lastIndex.next
        phase = .opening(lastIndex)
        return Position(epoch: epoch, index: lastIndex)
    }

    /// The place of the next entry; the caller persists it at every member.
    public mutating func propose() throws(Refusal) -> Position {
        switch phase {
        case .new, .opening: throw .opening
        case .retired: throw .retired
        case .serving: break
        }
        guard inSync.count >= minimum else { throw .belowMinimum }
        lastIndex = lastIndex.next
        return Position(epoch: epoch, index: lastIndex)
    }

    /// A member has all entries through `index` on disk. Late, repeated and foreign reports do no harm.
    ///
    /// - Returns: the new commit index, when it rose.
    public mutating func acknowledged(by member: NodeID, through index: LogIndex) -> LogIndex? {
        precondition(index <= lastIndex, "a member cannot have what was never proposed")
        guard index > durable[member] ?? .zero else { return nil }
        durable[member] = index
        return advance()
    }

    /// What the member said of its disk does not hold any more: the disk may be another one.
    public mutating func forget(_ member: NodeID) { durable[member] = nil }

    /// The caller has applied all entries through `index`.
    ///
    /// - Returns: `true` when the slot serves from now on.
    public mutating func applied(through index: LogIndex) -> Bool {
        precondition(index <= commitIndex, "only committed entries are applied")
        precondition(index >= appliedIndex, "entries are applied in order")
        appliedIndex = index
        guard case .opening(let opening) = phase, index >= opening else { return false }
        phase = .serving
        return true
    }

    /// The set that the caller is about to ask of the coordinator. From now on both sets must have an entry.
    public mutating func proposeInSync(_ members: Set<NodeID>) {
        precondition(members.contains(node), "a primary stays in its in-sync set")
        precondition(proposedInSync == nil, "one change of the set at a time")
        proposedInSync = members
    }

    /// The row holds the proposed set, under a new epoch that the next entries carry.
    ///
    /// - Parameter minimum: what the row says of it now; `nil` when it stays.
    /// - Returns: the new commit index, when it rose: a member that is gone no longer holds commits up.
    public mutating func confirmInSync(_ members: Set<NodeID>, epoch: Epoch, minimum: Int? = nil) -> LogIndex? {
        precondition(members.contains(node), "a primary stays in its in-sync set")
        precondition(epoch > self.epoch, "every change of the row raises its epoch")
        inSync = members
        proposedInSync = nil
        self.epoch = epoch
        if let minimum { self.minimum = minimum }
        durable = durable.filter { members.contains($0.key) }
        return advance()
    }

    /// The row certainly does not hold the proposed set.
    ///
    /// - Returns: the new commit index, when it rose.
    public mutating func abandonInSync() -> LogIndex? {
        proposedInSync = nil
        return advance()
    }

    /// The primacy is lost or given up. What is uncommitted may or may not survive; nobody is told that it does.
    public mutating func retire() { phase = .retired }

    private mutating func advance() -> LogIndex? {
        guard phase != .retired, inSync.count >= minimum else { return nil }
        var reached = lastIndex
        #if GUILDHALL_MUTATIONS
            let members = Mutation.active == .commitWithOneSet ? proposedInSync ?? inSync : members
        #endif
        for member in members { reached = min(reached, durable[member] ?? .zero) }
        guard reached > commitIndex else { return nil }
        commitIndex = reached
        return reached
    }
}

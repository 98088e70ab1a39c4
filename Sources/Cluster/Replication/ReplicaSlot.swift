import Identity
import Placement

/// One slot's replication on one node, whatever its part in it: primary, backup or learner (DESIGN §6). A value without
/// I/O: rows, messages, news of the disk and the time go in, ``Action``s come out.
///
/// What the surroundings do. They tell every row of the slot that they learn of (``rowChanged(_:now:)``), every message
/// (``received(_:from:now:)``…), what is on disk (``durable(through:generation:)``), what is applied
/// (``applied(through:)``), the peers' state (``peers``) and, every 50 ms or so, the time (``tick(now:)``); and carry out
/// the actions in order, after each call. Entries' bytes never pass through here.
///
/// Names. A *follower* is a node that the primary feeds: members of the in-sync set, eligible ones and learners. A
/// backup's log *matches* the primary's through an index: it acknowledges no further than that.
public struct ReplicaSlot: Sendable {
    public enum Role: Hashable, Sendable {
        /// The row does not name this node.
        case none
        case learner
        /// A member of the in-sync set, or eligible, that is not primary.
        case backup
        case primary
    }

    public let slot: Slot
    public let node: NodeID
    /// Names this life of the node's process: its disk may have been wiped before.
    public let life: UInt64
    let limits: ReplicationLimits
    /// The peers' leases and health, as last heard.
    public var peers = PeerLiveness.View()

    /// The row with the highest epoch that is known.
    public internal(set) var row: ShardMapRow?
    /// When the row last gave a sign of its primary.
    var primarySince = BootTime.distantPast
    /// Messages with a lower epoch are refused.
    public internal(set) var epoch: Epoch
    /// Who is primary in ``epoch``, once that is known.
    var leader: NodeID?
    public internal(set) var role = Role.none
    /// The log's entries, on disk or on their way to it.
    public internal(set) var log: EpochSpans
    /// All entries through this one are on this node's disk.
    public internal(set) var durableIndex: LogIndex
    public internal(set) var commitIndex: LogIndex
    public internal(set) var appliedIndex: LogIndex
    /// Rises when the log is cut back, so that news of the disk from before does not count.
    public internal(set) var generation: UInt64 = 0
    /// This disk is not known to hold all that is committed: it may not stand as a member, whatever the row says. A
    /// primary that knows better says so by an admission.
    public internal(set) var isBlank: Bool
    /// The log here cannot be trusted or does not fit the primary's: it is to be cleared.
    public internal(set) var isBroken = false
    /// A snapshot is being taken in.
    public internal(set) var isInstalling = false

    /// A backup's: its log is the primary's through this index.
    var matchedIndex: LogIndex
    /// A backup's: the epoch of the append that is to be acknowledged once its entries are on disk.
    var owedReply: Epoch?
    var grantedHandOver: Epoch?

    // The primary's.
    var primary: PrimarySlot?
    /// The epoch that this life of this node won; replies to older ones do not count.
    var firstEpoch = Epoch.zero
    /// The first entry of that epoch.
    var opening = LogIndex.zero
    var followers: [NodeID: Follower] = [:]
    var handOver: HandOver?
    var handOverPause = BootTime.distantPast
    var lastTick: BootTime?
    /// What the cluster's settings ask for; the primary raises the row's ``ShardMapRow/minimum`` to it.
    public var wantedMinimum = 1

    /// A swap of the row whose outcome is not known. One at a time.
    public internal(set) var pendingSwap: RowSwap?
    /// A swap that is sent once this node's promises allow it.
    var campaign: RowSwap?
    /// The epoch that the disk knows, and the one that it has been told of.
    var notedEpoch: Epoch
    var requestedNote: Epoch

    /// What is to be done; taken by ``takeActions()``.
    var actions: [Action] = []

    /// A slot as a node's disk has it.
    public struct Disk: Sendable {
        /// The log, from a base that is known: all of it is on disk.
        public var log: EpochSpans
        public var appliedIndex: LogIndex
        /// What is known to be committed: at least what is applied.
        public var commitIndex: LogIndex
        /// The highest epoch that was noted; `nil` when none was since the slot was last cleared.
        public var knownEpoch: Epoch?

        public init(log: EpochSpans, appliedIndex: LogIndex, commitIndex: LogIndex, knownEpoch: Epoch?) {
            self.log = log
            self.appliedIndex = appliedIndex
            self.commitIndex = commitIndex
            self.knownEpoch = knownEpoch
        }

        public static let empty = Disk(
            log: EpochSpans(base: .start), appliedIndex: .zero, commitIndex: .zero, knownEpoch: nil)
    }

    /// - Parameter life: random; another one for each process, and the same for all its slots.
    public init(slot: Slot, node: NodeID, life: UInt64, disk: Disk, limits: ReplicationLimits) {
        precondition(disk.appliedIndex <= disk.log.last.index, "nothing is applied that is not in the log")
        self.slot = slot
        self.node = node
        self.life = life
        self.limits = limits
        log = disk.log
        durableIndex = disk.log.last.index
        appliedIndex = disk.appliedIndex
        commitIndex = max(disk.appliedIndex, min(disk.commitIndex, disk.log.last.index))
        matchedIndex = commitIndex
        isBlank = disk.knownEpoch == nil
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .wipedDiskStands { isBlank = false }
        #endif
        notedEpoch = disk.knownEpoch ?? .zero
        requestedNote = notedEpoch
        epoch = max(notedEpoch, disk.log.last.epoch)
    }

    /// What is to be done now, in order. The actions are gone from here then.
    public mutating func takeActions() -> [Action] {
        guard !actions.isEmpty else { return [] }
        let taken = actions
        actions.removeAll(keepingCapacity: true)
        return taken
    }

    // MARK: Serving

    /// Whether commands may run and committed state may be read: this node is primary, its first entry is applied, it
    /// does not stand still for a hand-over, and every member lets it serve.
    public func mayServe(now: BootTime) -> Bool {
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .serveWhileHandingOver {
                return primary?.isServing ?? false && (handOver?.isGranted ?? false || holdsLease(now: now))
            }
        #endif
        guard let primary, primary.isServing, handOver == nil else { return false }
        return holdsLease(now: now)
    }

    /// Whether what has run may be answered: as ``mayServe(now:)``, but also while a hand-over finishes what is under
    /// way.
    public func mayAnswer(now: BootTime) -> Bool {
        guard let primary, primary.isServing else { return false }
        return handOver?.isGranted != true && holdsLease(now: now)
    }

    private func holdsLease(now: BootTime) -> Bool {
        guard let primary, let row else { return false }
        // Asked for each command: no set is made for it.
        func lets(_ member: NodeID) -> Bool { member == node || peers.lease(from: member, for: slot) > now }
        return primary.inSync.allSatisfy(lets) && primary.proposedInSync?.allSatisfy(lets) ?? true
            && row.eligible.allSatisfy(lets)
    }

    /// Whether this node is primary and has opened its epoch: it stays so without a lease.
    public var isServing: Bool { primary?.isServing ?? false }
    public var isPrimary: Bool { primary != nil }
    /// The epoch that new entries carry; zero when this node is not primary.
    public var primaryEpoch: Epoch { primary?.epoch ?? .zero }
    public var isBelowMinimum: Bool { primary.map { $0.inSync.count < $0.minimum } ?? false }
    /// Whether the slot's log or state moves between nodes by a hand-over now.
    public var isHandingOver: Bool { handOver != nil }

    /// The nodes that this primary claims the slot from with its beacons; empty when it is not primary. It needs the
    /// leases of the members and eligible nodes; the learners' are there before they become members.
    public var claimedFrom: Set<NodeID> {
        guard let primary, let row else { return [] }
        return primary.members.union(row.holders).subtracting([node])
    }

    /// The place of the next entry; the caller appends it to the log here and then calls ``pump(now:)``.
    ///
    /// - Throws: ``PrimarySlot/Refusal``.
    public mutating func propose() throws(PrimarySlot.Refusal) -> LogPosition {
        guard primary != nil else { throw .retired }
        guard handOver == nil else { throw .handingOver }
        let position = try primary!.propose()
        log.append(position)
        return position
    }

    // MARK: The disk

    /// All entries through `index` are on disk, said of a log of this generation.
    public mutating func durable(through index: LogIndex, generation: UInt64) {
        guard generation == self.generation else { return }
        durableIndex = max(durableIndex, min(index, log.last.index))
        if primary != nil {
            if let reached = primary!.acknowledged(by: node, through: durableIndex) { committed(through: reached) }
        } else {
            if let epoch = owedReply { acknowledge(epoch) }
            applyCommitted()
        }
    }

    /// The disk knows that this node holds the slot, as of `epoch`.
    public mutating func noted(_ epoch: Epoch, now: BootTime) {
        // A note from before a snapshot is gone with what it was about.
        guard epoch <= requestedNote else { return }
        notedEpoch = max(notedEpoch, epoch)
        let wasBlank = isBlank
        isBlank = false
        // The primary waits for the news that this node may become a member.
        if wasBlank, primary == nil { acknowledge(self.epoch) }
        considerOwnRow(now: now)
    }

    /// The state holds all entries through `index`.
    ///
    /// - Returns: `true` when the slot serves from now on.
    public mutating func applied(through index: LogIndex) -> Bool {
        appliedIndex = max(appliedIndex, index)
        guard primary != nil else { return false }
        return primary!.applied(through: max(primary!.appliedIndex, min(index, primary!.commitIndex)))
    }

    /// The log is trimmed through `index`.
    public mutating func trimmed(through index: LogIndex) { log.trim(through: min(index, appliedIndex)) }

    /// The log may be trimmed through this index without leaving a follower behind. A node that is gone and is no
    /// member any more gets a snapshot when it comes back.
    public var trimLimit: LogIndex {
        var limit = appliedIndex
        guard let primary else { return limit }
        for (id, follower) in followers {
            if !primary.members.contains(id), peers.health[id] ?? .absent == .absent { continue }
            limit = min(limit, follower.acknowledged)
        }
        return limit
    }

    /// A primary's: how many entries each node that it feeds has not acknowledged, by node.
    public var lags: [(node: NodeID, entries: UInt64)] {
        followers.keys.sorted().map { id in
            let acknowledged = followers[id]?.acknowledged.rawValue ?? 0
            return (id, log.last.index.rawValue - min(log.last.index.rawValue, acknowledged))
        }
    }

    // MARK: Commit

    /// The members have the entries through `index`.
    mutating func committed(through index: LogIndex) {
        commitIndex = max(commitIndex, index)
        applyCommitted()
    }

    mutating func applyCommitted() {
        let through = min(commitIndex, durableIndex)
        guard through > appliedIndex else { return }
        actions.append(.apply(through: through))
    }

    mutating func note(_ epoch: Epoch) {
        guard epoch > requestedNote else { return }
        requestedNote = epoch
        actions.append(.noteEpoch(epoch))
    }
}

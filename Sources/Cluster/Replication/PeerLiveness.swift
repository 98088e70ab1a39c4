import Identity

/// Which other guild nodes live, and what this node and they have granted each other: one for a node, for all its slots
/// (DESIGN §6.5, §6.6). A value without I/O.
///
/// Every beacon names the slots that its sender claims to be primary of. Who answers without refusing a slot promises
/// not to campaign for that slot before ``ReplicationLimits/silence`` has passed. The lease that follows for the
/// claimant runs from when the beacon was *sent*, by its own clock, so neither the network's delay nor the answer's age
/// can stretch it, and it ends before the promise does.
///
/// Safety rests on the campaigner alone: whoever wins a slot was a member whose lease the old primary needs, and from
/// ``mayCampaign(for:epoch:now:)`` on refuses every claim that is older than its campaign.
public struct PeerLiveness: Sendable {
    public enum Health: Hashable, Sendable {
        case healthy
        /// Leaves the in-sync sets that stay at their minimum.
        case suspect
        /// Leaves the others too.
        case absent
    }

    public struct Claim: Hashable, Sendable {
        public var slot: Slot
        public var epoch: Epoch

        public init(slot: Slot, epoch: Epoch) {
            self.slot = slot
            self.epoch = epoch
        }
    }

    /// `life` names the asking process's life, so that no answer to an earlier one counts.
    public struct Beacon: Hashable, Sendable {
        public var life: UInt64
        public var sequence: UInt64
        /// The slots that the sender is primary of with the receiver as a member.
        public var claims: [Claim]

        public init(life: UInt64, sequence: UInt64, claims: [Claim]) {
            self.life = life
            self.sequence = sequence
            self.claims = claims
        }
    }

    public struct BeaconReply: Hashable, Sendable {
        public var life: UInt64
        public var sequence: UInt64
        /// The claimed slots for which nothing is promised.
        public var refused: [Slot]
        /// The answering node's wall clock, for the asking one's ``ClockGuard``.
        public var clock: Timestamp?

        public init(life: UInt64, sequence: UInt64, refused: [Slot], clock: Timestamp? = nil) {
            self.life = life
            self.sequence = sequence
            self.refused = refused
            self.clock = clock
        }
    }

    private struct Sent {
        var sequence: UInt64
        var time: BootTime
        var slots: [Slot]
    }

    private struct Peer {
        /// The beacons that are not answered.
        var sent: [Sent] = []
        var nextSequence: UInt64 = 1
        /// By slot: until when the peer lets this node serve it.
        var leases = [BootTime](repeating: .distantPast, count: Int(Slot.count))
        /// When an answer last came.
        var heard: BootTime
        /// Since when it has answered without a break, while it is suspect.
        var steadySince: BootTime?
        var isSuspect = false
        /// How long it must be steady the next time.
        var recovery: Duration?
        var recovered = BootTime.distantPast
    }

    /// What ``ReplicaSlot`` needs to know of its peers, as of one moment.
    public struct View: Sendable {
        /// By node and slot: until when the node lets this one serve.
        public var leases: [NodeID: [BootTime]] = [:]
        public var health: [NodeID: Health] = [:]

        public init() {}

        public func lease(from node: NodeID, for slot: Slot) -> BootTime {
            leases[node]?[Int(slot.rawValue)] ?? .distantPast
        }
    }

    public let node: NodeID
    public let life: UInt64
    private let limits: ReplicationLimits
    private let started: BootTime
    private var peers: [NodeID: Peer] = [:]
    private var lastBeacons: BootTime?
    /// Since when this process has not stood still: nobody is judged by what was not heard before.
    private var awakeSince: BootTime
    /// By slot: when this node last let another one serve it.
    private var promised: [BootTime]
    /// By slot: claims below this epoch are refused, unless they are the holder's.
    private var floors = [Epoch](repeating: .zero, count: Int(Slot.count))
    private var holders = [NodeID?](repeating: nil, count: Int(Slot.count))
    /// Beacons kept for each peer until answered.
    private static let keptBeacons = 16

    /// - Parameter life: random; another one for each process.
    public init(node: NodeID, life: UInt64, limits: ReplicationLimits, now: BootTime) {
        self.node = node
        self.life = life
        self.limits = limits
        started = now
        awakeSince = now
        promised = Array(repeating: now, count: Int(Slot.count))
    }

    /// The other guild nodes, as the coordinator lists them or rows name them.
    public mutating func setPeers(_ nodes: Set<NodeID>, now: BootTime) {
        for id in nodes where id != node && peers[id] == nil { peers[id] = Peer(heard: now) }
        for id in peers.keys where !nodes.contains(id) { peers[id] = nil }
    }

    // MARK: Asking

    /// The beacons that are due.
    ///
    /// - Parameter claims: what this node claims, for each member of the slots' sets.
    public mutating func beacons(_ claims: (NodeID) -> [Claim], now: BootTime) -> [(to: NodeID, beacon: Beacon)] {
        if let last = lastBeacons, now - last < limits.beaconInterval { return [] }
        if let last = lastBeacons, now - last >= limits.suspicion { awakeSince = now }
        lastBeacons = now
        var due: [(to: NodeID, beacon: Beacon)] = []
        for id in peers.keys.sorted() {
            // A node that does not answer cannot let this one serve, and must not be kept from campaigning.
            let claims = now - peers[id]!.heard <= limits.lease ? claims(id) : []
            due.append((id, send(claims, to: id, now: now)))
        }
        return due
    }

    /// A beacon between those that are due, for claims that are new: a slot that was handed over need not stand still
    /// until the next.
    ///
    /// - Returns: `nil` when it has to wait for that one all the same: the node does not answer, or slowly.
    public mutating func beacon(to id: NodeID, newClaims claims: [Claim], now: BootTime) -> Beacon? {
        guard let peer = peers[id], now - peer.heard <= limits.lease,
            peer.sent.count < PeerLiveness.keptBeacons / 2
        else { return nil }
        return send(claims, to: id, now: now)
    }

    private mutating func send(_ claims: [Claim], to id: NodeID, now: BootTime) -> Beacon {
        let sequence = peers[id]!.nextSequence
        peers[id]!.nextSequence += 1
        peers[id]!.sent.append(Sent(sequence: sequence, time: now, slots: claims.map(\.slot)))
        if peers[id]!.sent.count > PeerLiveness.keptBeacons { peers[id]!.sent.removeFirst() }
        return Beacon(life: life, sequence: sequence, claims: claims)
    }

    /// A peer answered a beacon of this node.
    ///
    /// - Returns: how long ago the beacon was sent; `nil` when the answer is to none that waits for one.
    @discardableResult
    public mutating func answered(by id: NodeID, _ reply: BeaconReply, now: BootTime) -> Duration? {
        guard reply.life == life, let position = peers[id]?.sent.firstIndex(where: { $0.sequence == reply.sequence })
        else { return nil }
        let beacon = peers[id]!.sent[position]
        // An answer that was overtaken still grants what it grants: later beacons stay open.
        peers[id]!.sent.remove(at: position)
        let refused = Set(reply.refused)
        var end = beacon.time + limits.lease
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .leaseFromReceipt { end = now + limits.lease }
        #endif
        for slot in beacon.slots where !refused.contains(slot) {
            let position = Int(slot.rawValue)
            if peers[id]!.leases[position] < end { peers[id]!.leases[position] = end }
        }
        if now - max(peers[id]!.heard, awakeSince) >= limits.suspicion {
            if !peers[id]!.isSuspect {
                let isRepeated = now - peers[id]!.recovered < limits.longestRecovery
                let last = isRepeated ? peers[id]!.recovery : nil
                peers[id]!.recovery = last.map { min($0 * 2, limits.longestRecovery) } ?? limits.recovery
            }
            peers[id]!.isSuspect = true
            peers[id]!.steadySince = nil
        }
        peers[id]!.heard = now
        if peers[id]!.isSuspect {
            let since = peers[id]!.steadySince ?? now
            peers[id]!.steadySince = since
            if now - since >= peers[id]!.recovery ?? limits.recovery {
                peers[id]!.isSuspect = false
                peers[id]!.recovered = now
            }
        }
        return now - beacon.time
    }

    // MARK: Answering

    /// A peer's beacon came. The promises hold from now on, so the answer may be sent.
    public mutating func received(_ beacon: Beacon, from id: NodeID, now: BootTime) -> BeaconReply {
        var refused: [Slot] = []
        for claim in beacon.claims {
            let position = Int(claim.slot.rawValue)
            #if GUILDHALL_MUTATIONS
                let refuses = Mutation.active != .promiseDuringCampaign
            #else
                let refuses = true
            #endif
            if refuses, claim.epoch < floors[position], holders[position] != id {
                refused.append(claim.slot)
            } else {
                promised[position] = now
            }
        }
        return BeaconReply(life: beacon.life, sequence: beacon.sequence, refused: refused)
    }

    // MARK: Campaigns

    /// Whether this node may try to win the slot at `epoch` without its primary's leave. From a `true` on it promises
    /// nothing more for older claims.
    public mutating func mayCampaign(for slot: Slot, epoch: Epoch, now: BootTime) -> Bool {
        guard now >= campaignTime(for: slot) else { return false }
        raiseFloor(of: slot, to: epoch, holder: node)
        return true
    }

    /// The earliest time at which this node's promises and its own start let it campaign for the slot.
    public func campaignTime(for slot: Slot) -> BootTime {
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .campaignWithoutSilence {
                return max(started, promised[Int(slot.rawValue)]) + .milliseconds(800)
            }
        #endif
        return max(started, promised[Int(slot.rawValue)]) + limits.silence
    }

    /// Nothing older than `epoch` is to be promised to others than `holder`: the slot's primary by a row of this epoch,
    /// or this node, which campaigns for it.
    ///
    /// A process that starts calls this for each slot on its disk, with ``ReplicaSlot/epoch`` and no holder: it may have
    /// been primary in that epoch, and must not let an earlier primary serve that has not heard of it.
    public mutating func raiseFloor(of slot: Slot, to epoch: Epoch, holder: NodeID?) {
        let position = Int(slot.rawValue)
        guard floors[position] < epoch else { return }
        floors[position] = epoch
        holders[position] = holder
    }

    // MARK: What follows

    /// Judged by when the peer last answered, with hysteresis; a peer that nobody knows is absent.
    public func health(of id: NodeID, now: BootTime) -> Health {
        guard let peer = peers[id] else { return .absent }
        let silent = now - max(peer.heard, awakeSince)
        if silent >= limits.absence { return .absent }
        return silent >= limits.suspicion || peer.isSuspect ? .suspect : .healthy
    }

    public func view(now: BootTime) -> View {
        var view = View()
        for (id, peer) in peers {
            view.leases[id] = peer.leases
            view.health[id] = health(of: id, now: now)
        }
        return view
    }
}

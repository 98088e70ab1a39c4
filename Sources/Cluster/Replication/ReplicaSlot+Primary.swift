import Identity
import Placement

/// The primary's part: opening an epoch, feeding the followers, committing.
extension ReplicaSlot {
    /// The row that this node asked for holds: it is primary.
    mutating func becomePrimary(_ row: ShardMapRow, now: BootTime) {
        role = .primary
        leader = node
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .truncateAtElection, commitIndex < log.last.index { cut(from: commitIndex.next) }
        #endif
        owedReply = nil
        grantedHandOver = nil
        handOver = nil
        firstEpoch = row.epoch
        lastTick = now
        var primary = PrimarySlot(
            slot: slot, node: node, epoch: row.epoch, inSync: Set(row.inSync), minimum: row.minimum,
            lastIndex: log.last.index, durableIndex: durableIndex, appliedIndex: appliedIndex)
        let end = log.last.index
        let opening = primary.open()
        self.opening = opening.index
        self.primary = primary
        log.append(opening)
        followers = [:]
        adjustFollowers(row, now: now, firstNext: end.next)
        actions.append(.open(opening))
        pump(now: now)
    }

    /// The primacy is lost.
    mutating func retire() {
        guard primary != nil else { return }
        primary = nil
        followers = [:]
        handOver = nil
        matchedIndex = commitIndex
        actions.append(.retire)
    }

    mutating func adjustFollowers(_ row: ShardMapRow, now: BootTime, firstNext: LogIndex? = nil) {
        let wanted = Set(row.holders).union(primary?.proposedInSync ?? []).subtracting([node])
        for id in followers.keys where !wanted.contains(id) { followers[id] = nil }
        for id in wanted where followers[id] == nil {
            let next = firstNext ?? log.last.index.next
            followers[id] = Follower(
                phase: .pausing(until: .distantPast), next: next, progressed: now, kept: now, baseline: log.last.index)
        }
    }

    /// Sends followers what they lack, as far as their windows go. Call it after a batch of ``propose()``s.
    public mutating func pump(now: BootTime) {
        guard primary != nil else { return }
        for id in followers.keys.sorted() { pump(id, now: now, tellsCommit: false) }
    }

    mutating func pump(_ id: NodeID, now: BootTime, tellsCommit: Bool) {
        guard let primary, var follower = followers[id] else { return }
        switch follower.phase {
        case .probing, .receivingSnapshot: return
        case .pausing(let until):
            guard now >= until else { return }
            probe(id, now: now)
            return
        case .streaming: break
        }
        var hasSent = false
        while follower.next <= log.last.index,
            follower.next.rawValue - follower.acknowledged.rawValue <= UInt64(limits.window)
        {
            guard let previous = log.position(at: LogIndex(rawValue: follower.next.rawValue - 1)) else {
                followers[id] = follower
                return offerSnapshot(to: id, now: now)
            }
            let through = LogIndex(
                rawValue: min(log.last.index.rawValue, previous.index.rawValue + UInt64(limits.batch)))
            actions.append(
                .append(
                    AppendOrder(
                        to: id, epoch: primary.epoch, previous: previous, through: through, commitIndex: commitIndex)))
            follower.next = through.next
            (follower.toldCommit, follower.told) = (commitIndex, now)
            hasSent = true
        }
        if !hasSent, tellsCommit, let previous = log.position(at: LogIndex(rawValue: follower.next.rawValue - 1)) {
            actions.append(
                .append(
                    AppendOrder(
                        to: id, epoch: primary.epoch, previous: previous, through: previous.index,
                        commitIndex: commitIndex)))
            (follower.toldCommit, follower.told) = (commitIndex, now)
        }
        followers[id] = follower
    }

    /// Asks whether the follower's log holds the entry before the next one.
    private mutating func probe(_ id: NodeID, now: BootTime) {
        guard let primary, let follower = followers[id] else { return }
        guard let previous = log.position(at: LogIndex(rawValue: follower.next.rawValue - 1)) else {
            return offerSnapshot(to: id, now: now)
        }
        followers[id]?.phase = .probing(since: now)
        followers[id]?.toldCommit = commitIndex
        actions.append(
            .append(
                AppendOrder(
                    to: id, epoch: primary.epoch, previous: previous, through: previous.index,
                    commitIndex: commitIndex)))
    }

    /// The follower's log ends below where this one begins.
    private mutating func offerSnapshot(to id: NodeID, now: BootTime) {
        guard let row, row.learners.contains(id) else {
            // A member that lacks what is trimmed has lost its disk.
            followers[id]?.phase = .pausing(until: now + limits.snapshotRetry)
            return excludeBlank(id, now: now)
        }
        followers[id]?.phase = .receivingSnapshot
        followers[id]?.acknowledged = .zero
        self.primary?.forget(id)
        actions.append(.sendSnapshot(to: id))
    }

    /// The learner holds the slot's state and log as of `position`, on disk.
    public mutating func snapshotSent(to id: NodeID, at position: LogPosition, now: BootTime) {
        guard primary != nil, followers[id]?.phase == .receivingSnapshot else { return }
        followers[id]?.next = position.index.next
        followers[id]?.progressed = now
        probe(id, now: now)
    }

    public mutating func snapshotFailed(to id: NodeID, now: BootTime) {
        guard primary != nil, followers[id]?.phase == .receivingSnapshot else { return }
        // It may have arrived all the same: the follower is asked first.
        followers[id]?.next = log.last.index.next
        followers[id]?.phase = .pausing(until: now + limits.snapshotRetry)
    }

    /// The connection to a follower broke or was made: what was sent may be lost.
    public mutating func reconnected(_ id: NodeID, now: BootTime) {
        guard primary != nil, let follower = followers[id], follower.phase != .receivingSnapshot else { return }
        followers[id]?.next = LogIndex(rawValue: max(follower.acknowledged.rawValue, log.base.index.rawValue) + 1)
        probe(id, now: now)
    }

    // MARK: Replies

    public mutating func received(_ reply: AppendReply, from id: NodeID, now: BootTime) {
        guard let current = primary?.epoch, reply.epoch >= firstEpoch, meet(reply, from: id, now: now),
            let follower = followers[id]
        else { return }
        switch reply.result {
        case .durable(let index): acknowledged(by: id, through: index, now: now)
        case .mismatch(let hint):
            guard case .probing = follower.phase else {
                if case .streaming = follower.phase { rewind(id, to: hint, now: now) }
                return
            }
            rewind(id, to: hint, now: now)
        case .older(let epoch):
            if epoch > current { actions.append(.refreshRow) }
        case .blank:
            followers[id]?.phase = .pausing(until: now + limits.resend)
            excludeBlank(id, now: now)
        }
    }

    /// What another life of the follower's process acknowledged does not count: its disk may be another one.
    ///
    /// - Returns: `false` when the reply is of a life that is over.
    private mutating func meet(_ reply: AppendReply, from id: NodeID, now: BootTime) -> Bool {
        guard var follower = followers[id], !follower.formerLives.contains(reply.life) else { return false }
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .believeFormerLives { follower.life = reply.life }
        #endif
        if follower.life != reply.life {
            if let former = follower.life {
                follower.formerLives.append(former)
                if follower.formerLives.count > ReplicaSlot.keptLives { follower.formerLives.removeFirst() }
                follower.acknowledged = .zero
                follower.baseline = log.last.index
                follower.kept = now
                primary!.forget(id)
            }
            follower.life = reply.life
        }
        follower.isBlank = reply.isBlank
        follower.knownCommit = reply.commitIndex
        followers[id] = follower
        return true
    }

    /// Former lives of a follower that are told from its present one.
    private static let keptLives = 8

    private mutating func acknowledged(by id: NodeID, through index: LogIndex, now: BootTime) {
        guard var follower = followers[id], index <= log.last.index else { return }
        if index > follower.acknowledged {
            follower.acknowledged = index
            follower.progressed = now
            follower.kept = now
        }
        if case .probing = follower.phase { follower.phase = .streaming }
        if follower.next <= follower.acknowledged { follower.next = follower.acknowledged.next }
        followers[id] = follower
        if primary!.members.contains(id), let reached = primary!.acknowledged(by: id, through: index) {
            committed(through: reached)
        }
        pump(id, now: now, tellsCommit: false)
        // It has everything at this moment; the next entry is on its way.
        if row?.learners.contains(id) ?? false { pursue(now: now) }
    }

    /// The follower's log parts from this one after `hint` or before.
    private mutating func rewind(_ id: NodeID, to hint: LogPosition, now: BootTime) {
        guard let follower = followers[id] else { return }
        let probed = LogIndex(rawValue: follower.next.rawValue - 1)
        guard probed > .zero else {
            followers[id]?.phase = .pausing(until: now + limits.resend)
            return
        }
        // The follower holds `hint`. When it has acknowledged more since, or holds what it is asked about, this answers an
        // earlier question: taking it for the last one's answer would make a good member one that has lost its disk. A
        // blank one may have lost what it acknowledged, in the same life as well.
        let isOvertaken =
            hint.index < follower.acknowledged || hint.index >= probed && log.epoch(at: hint.index) == hint.epoch
        if isOvertaken, !follower.isBlank { return }
        guard hint.index >= log.base.index else { return offerSnapshot(to: id, now: now) }
        var common = log.last(notAfter: hint.epoch, atMost: hint.index)
        // Each question is about an earlier entry than the one before, so there is an end to them.
        if common.index >= probed, let before = log.position(at: LogIndex(rawValue: probed.rawValue - 1)) {
            common = before
        }
        guard common.index < probed else { return offerSnapshot(to: id, now: now) }
        followers[id]?.next = common.index.next
        probe(id, now: now)
    }

    // MARK: Time

    mutating func tickPrimary(now: BootTime) {
        // While this process stood still nobody could acknowledge anything.
        let hasPaused = lastTick.map { now - $0 >= limits.suspicion } ?? true
        lastTick = now
        for id in followers.keys.sorted() {
            guard let follower = followers[id] else { continue }
            if hasPaused || follower.acknowledged == log.last.index { followers[id]?.kept = now }
            switch follower.phase {
            case .probing(let since) where now - since >= limits.resend: probe(id, now: now)
            case .streaming where follower.next.rawValue - 1 > follower.acknowledged.rawValue:
                if now - follower.progressed >= limits.resend {
                    followers[id]?.progressed = now
                    followers[id]?.next = follower.acknowledged.next
                    probe(id, now: now)
                }
            case .streaming:
                followers[id]?.progressed = now
                let isDue = follower.knownCommit < commitIndex && now - follower.told >= limits.resend
                pump(id, now: now, tellsCommit: follower.toldCommit < commitIndex || isDue)
            default: pump(id, now: now, tellsCommit: false)
            }
        }
        tickHandOver(now: now)
        admit(now: now)
        pursue(now: now)
    }
}

import Identity
import Placement

/// The row: what it makes of this node, and what this node, as primary, makes of it.
extension ReplicaSlot {
    /// A planned change of primary, under way.
    struct HandOver: Hashable, Sendable {
        var to: NodeID
        var began: BootTime
        /// The other node has been told that it may take the slot.
        var isGranted = false
    }

    /// A row of the slot, from the coordinator's watch or from a swap. Rows may come late, twice and in any order.
    public mutating func rowChanged(_ new: ShardMapRow, now: BootTime) {
        guard new.epoch > row?.epoch ?? .zero else { return }
        // What does not come from the controller comes from the primary, which may have won the slot anew.
        if new.primary != row?.primary || new.target == row?.target && new.isPinned == row?.isPinned {
            primarySince = now
        }
        row = new
        campaign = nil
        // Whatever the row is now, it is not what the swap expected: it has been done, or never will be.
        let isWon = new == pendingSwap?.new
        pendingSwap = nil
        if primary != nil {
            if new.primary == node { return adopt(new, now: now) }
            retire()
        } else if isWon, new.primary == node, new.epoch > epoch {
            epoch = new.epoch
            note(new.epoch)
            return becomePrimary(new, now: now)
        }
        if new.primary != leader, new.epoch > epoch { follow(new.primary, in: new.epoch) }
        let isMember = new.inSync.contains(node) || new.eligible.contains(node)
        role = isMember ? .backup : new.learners.contains(node) ? .learner : .none
        if role == .none, new.primary != node {
            // Messages of a later epoch show that a later row names this node.
            if new.epoch >= epoch { actions.append(.drop) }
            return
        }
        if !isBlank { note(new.epoch) }
        considerHandOver(now: now)
        considerOwnRow(now: now)
    }

    /// The outcome of this swap is known, and it is not under way any more; the row in the coordinator was `current`.
    public mutating func swapSettled(_ swap: RowSwap, current: ShardMapRow, now: BootTime) {
        rowChanged(current, now: now)
        // Another swap than this one may be under way by now.
        guard pendingSwap == swap else { return }
        pendingSwap = nil
        if primary?.proposedInSync != nil, let reached = primary!.abandonInSync() { committed(through: reached) }
    }

    /// This node is primary by a newer row.
    private mutating func adopt(_ new: ShardMapRow, now: BootTime) {
        epoch = max(epoch, new.epoch)
        note(new.epoch)
        for id in new.inSync where id != node {
            // A learner's progress counts from now on.
            if let follower = followers[id] { _ = primary!.acknowledged(by: id, through: follower.acknowledged) }
        }
        _ = primary!.confirmInSync(Set(new.inSync).union([node]), epoch: new.epoch, minimum: new.minimum)
        committed(through: primary!.commitIndex)
        adjustFollowers(new, now: now)
        if let handOver, handOver.isGranted || new.target.first != handOver.to {
            // The slot was taken back, or is to stay.
            self.handOver = nil
            handOverPause = now + limits.handOverPause
        }
        // Followers that have heard of the new epoch acknowledge only what an append of that epoch names.
        for id in followers.keys.sorted() { pump(id, now: now, tellsCommit: true) }
    }

    // MARK: What the primary changes

    /// Does the next thing that brings the row to what it should be, if there is one and nothing is under way.
    mutating func pursue(now: BootTime) {
        guard let primary, let row, pendingSwap == nil, primary.proposedInSync == nil, handOver == nil else { return }
        var new = row
        new.epoch = max(row.epoch, epoch).next
        if exclude(from: &new, now: now) || addLearners(to: &new) || promote(in: &new, now: now) || settle(&new)
            || raiseMinimum(&new)
        {
            return change(RowSwap(expected: row, new: new))
        }
        beginHandOver(now: now)
    }

    /// Asks for a row of which this node stays primary.
    private mutating func change(_ swap: RowSwap) {
        if Set(swap.new.inSync) != Set(swap.expected.inSync) {
            primary!.proposeInSync(Set(swap.new.inSync))
            for (id, follower) in followers where swap.new.inSync.contains(id) {
                if let reached = primary!.acknowledged(by: id, through: follower.acknowledged) {
                    committed(through: reached)
                }
            }
        }
        self.swap(swap)
    }

    /// Members that are gone or lag leave the set.
    private func exclude(from new: inout ShardMapRow, now: BootTime) -> Bool {
        for id in new.inSync where id != node {
            let health = peers.health[id] ?? .absent
            let staysAtMinimum = new.inSync.count - 1 >= new.minimum
            guard health == .absent || staysAtMinimum && (health == .suspect || lags(id, now: now)) else { continue }
            new.inSync.removeAll { $0 == id }
            if staysAtMinimum {
                new.learners.append(id)
            } else {
                new.eligible.append(id)
            }
            return true
        }
        return false
    }

    private func lags(_ id: NodeID, now: BootTime) -> Bool {
        guard let follower = followers[id] else { return true }
        let from = max(follower.acknowledged, follower.baseline)
        return now - follower.kept >= limits.stall
            || log.last.index.rawValue - min(log.last.index, from).rawValue > limits.exclusionLag
    }

    /// A member whose disk does not hold the slot becomes a learner. It is not eligible: it lacks what is committed.
    mutating func excludeBlank(_ id: NodeID, now: BootTime) {
        guard let primary, let row, pendingSwap == nil, primary.proposedInSync == nil,
            row.inSync.contains(id) || row.eligible.contains(id)
        else { return }
        var new = row
        new.epoch = max(row.epoch, epoch).next
        new.inSync.removeAll { $0 == id }
        new.eligible.removeAll { $0 == id }
        if !new.learners.contains(id) { new.learners.append(id) }
        change(RowSwap(expected: row, new: new))
    }

    private func addLearners(to new: inout ShardMapRow) -> Bool {
        let missing = new.target.filter { !new.holders.contains($0) }
        new.learners += missing
        return !missing.isEmpty
    }

    /// Those that have caught up join the set: learners, and eligible nodes that are back.
    private func promote(in new: inout ShardMapRow, now: BootTime) -> Bool {
        var isPromoting = false
        // All at once: each change of a row reaches every process of the cluster.
        for id in new.eligible + new.learners {
            guard let follower = followers[id], hasCaughtUp(follower), !follower.isBlank,
                peers.health[id] == .healthy, peers.lease(from: id, for: slot) > now
            else { continue }
            // A node that is to leave is not taken in again, unless the set needs it.
            guard new.target.isEmpty || new.target.contains(id) || new.inSync.count < new.minimum else { continue }
            new.inSync.append(id)
            new.learners.removeAll { $0 == id }
            new.eligible.removeAll { $0 == id }
            isPromoting = true
        }
        guard isPromoting else { return false }
        _ = raiseMinimum(&new)
        if new.inSync.count >= new.minimum {
            new.learners += new.eligible
            new.eligible = []
        }
        return true
    }

    private func hasCaughtUp(_ follower: Follower) -> Bool {
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .promoteLaggingLearner { return follower.isStreaming && follower.life != nil }
            let opening = Mutation.active == .trustKnownCommit ? LogIndex.zero : opening
        #endif
        return follower.isStreaming && follower.life != nil
            && follower.acknowledged.rawValue + limits.promotionLag >= log.last.index.rawValue
            // Until this epoch's first entry is committed, all before it may be.
            && follower.acknowledged >= max(commitIndex, opening)
    }

    /// Tells learners that hold all that is committed that they do. A learner that has noted it may become a member;
    /// one whose disk was wiped since has another life, and is told again only when its new disk holds everything.
    mutating func admit(now: BootTime) {
        guard let primary, let row else { return }
        for id in row.learners {
            guard let follower = followers[id], follower.isBlank, hasCaughtUp(follower), let life = follower.life,
                now - follower.admitted >= limits.resend
            else { continue }
            followers[id]?.admitted = now
            actions.append(.admit(to: id, epoch: primary.epoch, life: life))
        }
    }

    private func raiseMinimum(_ new: inout ShardMapRow) -> Bool {
        guard wantedMinimum > new.minimum, new.inSync.count >= wantedMinimum else { return false }
        new.minimum = wantedMinimum
        return true
    }

    /// Once the target holds the slot, with this node as primary, the others leave, and the target is reached.
    private func settle(_ new: inout ShardMapRow) -> Bool {
        guard !new.target.isEmpty, new.target[0] == node, new.target.allSatisfy({ new.inSync.contains($0) }),
            new.target.count >= new.minimum
        else { return false }
        new.inSync = new.target
        new.eligible = []
        new.learners = []
        new.target = []
        return true
    }

    // MARK: Hand-over

    private mutating func beginHandOver(now: BootTime) {
        guard let primary, let row, let to = row.target.first, to != node, now >= handOverPause, primary.isServing,
            row.target.allSatisfy({ row.inSync.contains($0) }), peers.health[to] == .healthy,
            let follower = followers[to], follower.isStreaming,
            follower.acknowledged.rawValue + limits.promotionLag >= log.last.index.rawValue
        else { return }
        handOver = HandOver(to: to, began: now)
        tickHandOver(now: now)
    }

    /// Call it when more has been applied: a hand-over that waited for that goes on.
    public mutating func advanceHandOver(now: BootTime) {
        if handOver?.isGranted == false { tickHandOver(now: now) }
    }

    /// Everything that is under way is committed and there: the other node may take the slot.
    mutating func tickHandOver(now: BootTime) {
        guard let primary, let row, let handOver else { return }
        if !handOver.isGranted, pendingSwap == nil, commitIndex == log.last.index, appliedIndex == commitIndex,
            let follower = followers[handOver.to], follower.acknowledged == log.last.index
        {
            self.handOver?.isGranted = true
            pump(handOver.to, now: now, tellsCommit: true)
            actions.append(.handOver(to: handOver.to, epoch: row.epoch))
            return
        }
        guard now - handOver.began >= limits.handOver, pendingSwap == nil else { return }
        if handOver.isGranted {
            // The other may be about to take it: only a row of ours rules that out.
            var new = row
            new.epoch = max(row.epoch, primary.epoch).next
            swap(RowSwap(expected: row, new: new))
        } else {
            self.handOver = nil
            handOverPause = now + limits.handOverPause
        }
    }
}

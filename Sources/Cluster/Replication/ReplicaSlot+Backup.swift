import Identity
import Placement

/// The part of those that follow a primary.
extension ReplicaSlot {
    /// Entries came, or the question whether this log holds one.
    public mutating func received(_ append: AppendHead, from sender: NodeID, now: BootTime) {
        #if GUILDHALL_MUTATIONS
            let acceptsOlder = Mutation.active == .acceptOlderEpochs
        #else
            let acceptsOlder = false
        #endif
        guard append.epoch >= epoch || acceptsOlder else { return reply(.older(than: epoch), to: sender, append.epoch) }
        if append.epoch == epoch, let leader, leader != sender { return }
        guard !isBroken, !isInstalling else { return }
        if append.epoch > epoch || leader == nil { follow(sender, in: append.epoch) }
        guard primary == nil else { return }
        guard standsAsRowSays else { return reply(.blank, to: sender, append.epoch) }
        if !isBlank { note(append.epoch) }
        guard holds(append.previous, for: append, from: sender) else { return }
        guard let fresh = firstNew(in: append) else { return }
        if fresh < append.positions.count {
            for position in append.positions[fresh...] { log.append(position) }
            actions.append(.persist(fresh..<append.positions.count))
        }
        matchedIndex = max(matchedIndex, append.positions.last?.index ?? append.previous.index)
        let known = min(append.commitIndex, matchedIndex)
        if known > commitIndex { commitIndex = known }
        applyCommitted()
        acknowledge(append.epoch)
    }

    /// A learner may begin with nothing; a member that has nothing has lost what it acknowledged.
    private var standsAsRowSays: Bool {
        if !isBlank { return true }
        return row?.learners.contains(node) ?? false
    }

    private mutating func reply(_ result: AppendReply.Result, to sender: NodeID, _ epoch: Epoch) {
        actions.append(
            .reply(
                to: sender,
                AppendReply(
                    slot: slot, epoch: epoch, result: result, life: life, isBlank: isBlank, commitIndex: commitIndex)))
    }

    /// `leader` is primary in `epoch`, which is higher than any known.
    mutating func follow(_ leader: NodeID, in epoch: Epoch) {
        self.epoch = epoch
        self.leader = leader
        retire()
        if role == .primary { role = .backup }
        matchedIndex = commitIndex
        owedReply = nil
    }

    /// Whether the entry before the sent ones is in this log; answers when it is not.
    private mutating func holds(_ previous: LogPosition, for append: AppendHead, from sender: NodeID) -> Bool {
        // What lies below the base is committed, and the same everywhere.
        if previous.index < log.base.index { return true }
        if log.epoch(at: previous.index) == previous.epoch { return true }
        var hint = log.last(notAfter: previous.epoch, atMost: previous.index)
        if hint.index == previous.index, previous.index > .zero {
            hint = log.last(notAfter: previous.epoch, atMost: LogIndex(rawValue: previous.index.rawValue - 1))
        }
        if previous.index <= commitIndex {
            breakDown("entry \(previous.index) is committed here with another epoch than \(previous.epoch)")
            return false
        }
        reply(.mismatch(hint: hint), to: sender, append.epoch)
        return false
    }

    /// Where the entries begin that this log lacks, after what parts from them is cut off; `nil` when they cannot be.
    private mutating func firstNew(in append: AppendHead) -> Int? {
        var expected = append.previous
        for position in append.positions {
            guard position.index == expected.index.next, position.epoch >= expected.epoch,
                position.epoch <= append.epoch
            else { return nil }
            expected = position
        }
        for (place, position) in append.positions.enumerated() where position.index >= log.base.index {
            guard let own = log.epoch(at: position.index) else { return place }
            if own == position.epoch { continue }
            guard position.index > commitIndex else {
                breakDown("entry \(position.index) is committed here with epoch \(own), not \(position.epoch)")
                return nil
            }
            cut(from: position.index)
            return place
        }
        return append.positions.count
    }

    mutating func cut(from index: LogIndex) {
        log.cut(from: index)
        generation += 1
        durableIndex = min(durableIndex, log.last.index)
        matchedIndex = min(matchedIndex, log.last.index)
        actions.append(.truncate(from: index))
    }

    private mutating func breakDown(_ reason: String) {
        isBroken = true
        actions.append(.wipe(reason))
    }

    /// Tells the primary how far this disk has its log, when there is something new to tell.
    mutating func acknowledge(_ epoch: Epoch) {
        guard let leader, leader != node else { return }
        var through = min(matchedIndex, durableIndex)
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .acknowledgeEarly { through = matchedIndex }
        #endif
        owedReply = through < matchedIndex ? epoch : nil
        reply(.durable(through: through), to: leader, epoch)
    }

    /// Whether a snapshot that the primary in `epoch` offers is to be taken: its state takes the place of all that is
    /// here. One that holds less than this node has acknowledged comes late, or twice.
    public func takesSnapshot(from sender: NodeID, epoch: Epoch, at position: LogPosition) -> Bool {
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .takeLateSnapshots {
                return primary == nil && !isInstalling && epoch >= self.epoch && row?.learners.contains(node) ?? false
            }
        #endif
        return primary == nil && !isInstalling && epoch >= self.epoch && position.index > matchedIndex
            && row?.learners.contains(node) ?? false
    }

    /// A snapshot is being taken in: from before anything of it is written, what is here counts for nothing.
    public mutating func installing() {
        isInstalling = true
        isBlank = true
        (notedEpoch, requestedNote) = (.zero, .zero)
    }

    /// A snapshot lies on this disk: the slot as of `position`, with nothing after it.
    public mutating func installed(at position: LogPosition) {
        log = EpochSpans(base: position)
        generation += 1
        (durableIndex, commitIndex, appliedIndex) = (position.index, position.index, position.index)
        matchedIndex = position.index
        owedReply = nil
        isBroken = false
        isInstalling = false
        // What the disk held before is gone, and what it was told of that too.
        isBlank = true
        (notedEpoch, requestedNote) = (.zero, .zero)
        if position.epoch > epoch {
            // Whoever leads this epoch is known by its first message, and is not who led the last one.
            epoch = position.epoch
            leader = nil
        }
    }

    /// The primary says that this process's log held all that was committed.
    public mutating func receivedAdmission(_ epoch: Epoch, life: UInt64, from sender: NodeID) {
        guard life == self.life, primary == nil, epoch >= self.epoch, sender == leader, !isBroken, !isInstalling else {
            return
        }
        // Known already: the answer to the last one was overtaken.
        if !isBlank { acknowledge(self.epoch) }
        note(epoch)
    }

    // MARK: Campaigns

    /// The primary leaves the slot to this node.
    public mutating func receivedHandOver(_ epoch: Epoch, from sender: NodeID, now: BootTime) {
        grantedHandOver = epoch
        considerHandOver(now: now)
    }

    mutating func considerHandOver(now: BootTime) {
        guard let row, let granted = grantedHandOver else { return }
        if row.epoch > granted { grantedHandOver = nil }
        guard row.epoch == granted, row.primary != node, canStand, pendingSwap == nil, primary == nil else { return }
        grantedHandOver = nil
        var new = row
        new.primary = node
        new.epoch = max(row.epoch, epoch).next
        swap(RowSwap(expected: row, new: new))
    }

    /// The row names this node, which has not won that epoch in this life.
    mutating func considerOwnRow(now: BootTime) {
        guard let row, row.primary == node, primary == nil, pendingSwap == nil, campaign == nil else { return }
        if isBlank {
            // The first row of a new slot: nothing can have been lost.
            if row.epoch.rawValue <= 1 { note(row.epoch) }
            return
        }
        guard canStand else { return }
        var new = row
        new.epoch = max(row.epoch, epoch).next
        // Nobody else can ever have been promised a slot that nobody else holds.
        if row.holders == [node] { return swap(RowSwap(expected: row, new: new)) }
        stand(RowSwap(expected: row, new: new))
    }

    /// A member or an eligible node with its data, by a row as new as any message.
    private var canStand: Bool {
        guard let row, !isBlank, !isBroken, row.epoch >= epoch else { return false }
        return row.inSync.contains(node) || row.eligible.contains(node)
    }

    private mutating func stand(_ swap: RowSwap) {
        campaign = swap
        actions.append(.campaign(swap))
    }

    mutating func swap(_ swap: RowSwap) {
        pendingSwap = swap
        actions.append(.swap(swap))
    }

    /// ``PeerLiveness/mayCampaign(for:epoch:now:)`` said yes. The swap counts as this node's own only from here on: an
    /// equal one of an earlier life may still be on its way.
    public mutating func campaignAllowed(_ swap: RowSwap) {
        guard campaign == swap, primary == nil, pendingSwap == nil else { return }
        campaign = nil
        self.swap(swap)
    }

    /// ``PeerLiveness/mayCampaign(for:epoch:now:)`` said no; it is tried again.
    public mutating func campaignRefused(_ swap: RowSwap) {
        if campaign == swap { campaign = nil }
    }

    /// - Parameter campaignTime: of the slot, as ``PeerLiveness`` says.
    public mutating func tick(now: BootTime, campaignTime: BootTime) {
        if primary != nil { return tickPrimary(now: now) }
        guard let row, pendingSwap == nil, campaign == nil, canStand else { return considerOwnRow(now: now) }
        if row.primary == node {
            // The other replicas come first, so that they do not all swap the same rows at the same moment.
            let turn = campaignTime + limits.campaignStagger * (row.inSync.count + row.eligible.count - 1)
            return now >= turn ? considerOwnRow(now: now) : considerSoleOwn(now: now)
        }
        // A new primary gets the time to claim the slot.
        let earliest = max(campaignTime, primarySince + limits.silence)
        guard now >= earliest, now >= earliest + limits.campaignStagger * rank(in: row) else { return }
        var new = row
        new.primary = node
        new.home = row.home ?? row.primary
        new.epoch = max(row.epoch, epoch).next
        new.inSync = row.inSync.filter { $0 != row.primary }
        if !new.inSync.contains(node) { new.inSync.append(node) }
        new.learners = row.learners.filter { $0 != node && $0 != row.primary }
        if new.inSync.count >= row.minimum {
            new.learners += (row.eligible + [row.primary]).filter { $0 != node }
            new.eligible = []
        } else {
            new.eligible = row.eligible.filter { $0 != node } + [row.primary]
        }
        stand(RowSwap(expected: row, new: new))
    }

    private mutating func considerSoleOwn(now: BootTime) {
        if let row, row.holders == [node] { considerOwnRow(now: now) }
    }

    /// The replicas of a slot campaign one after the other, beginning with another one for each slot.
    private func rank(in row: ShardMapRow) -> Int {
        let others = row.holders.filter { $0 != row.primary && (row.inSync + row.eligible).contains($0) }.sorted()
        guard let place = others.firstIndex(of: node) else { return others.count }
        return (place + Int(slot.rawValue)) % others.count
    }
}

import Identity
import Logging
import NIOCore
import Placement
import Replication
import Routing
import Storage
import Wire

/// The coming and going of replicas, and what their protocol wants done.
extension SlotExecutor {
    // MARK: Rows

    func rowChanged(_ row: ShardMapRow) {
        guard !isClosed, row.epoch > rows[row.slot]?.epoch ?? .zero else { return }
        let slot = row.slot
        rows[slot] = row
        claimsChanged = true
        if let replica = replicas[slot] {
            let now = BootTime.now()
            replica.core.rowChanged(row, now: now)
            return carryOut(replica, now: now)
        }
        arrange(slot)
    }

    /// Rows that this node asked for, as they stand now.
    func settled(_ all: [RowSwapper.Settled]) {
        guard !isClosed else { return }
        let now = BootTime.now()
        let won = all.count { $0.row.primary == environment.node && $0.change?.expected.primary != environment.node }
        if won > 0 { environment.logger.info("slots are won", metadata: ["slots": "\(won)"]) }
        for settled in all {
            let row = settled.row
            claimsChanged = true
            if row.epoch > rows[row.slot]?.epoch ?? .zero { rows[row.slot] = row }
            guard let replica = replicas[row.slot] else {
                arrange(row.slot)
                continue
            }
            if let change = settled.change {
                let swap = RowSwap(expected: change.expected, new: change.new)
                replica.core.swapSettled(swap, current: row, now: now)
            } else {
                replica.core.rowChanged(row, now: now)
            }
            carryOut(replica, now: now)
        }
    }

    func campaignsJudged(_ allowed: [RowSwap], _ refused: [RowSwap]) {
        guard !isClosed else { return }
        for swap in refused { replicas[swap.new.slot]?.core.campaignRefused(swap) }
        let now = BootTime.now()
        for swap in allowed {
            guard let replica = replicas[swap.new.slot] else { continue }
            replica.core.campaignAllowed(swap)
            carryOut(replica, now: now)
        }
    }

    /// Brings a slot that has no replica here to where its row wants it.
    func arrange(_ slot: Slot) {
        guard let row = rows[slot] else { return }
        let isNamed = row.holders.contains(environment.node)
        switch absences[slot] {
        case .clearing where isNamed && toClear.contains { $0.slot == slot }: clearGathered()
        case .loading, .clearing, .installing: return
        case .broken:
            // Others hold the slot: what is here can go, and this node begins again.
            let isMember = row.inSync.contains(environment.node) || row.eligible.contains(environment.node)
            if !isMember, row.primary != environment.node { clear(slot, isBroken: true) }
        case nil where isNamed: load(slot, isSole: row.holders == [environment.node])
        case nil where knownEpochs[slot] != nil: clear(slot, isBroken: false)
        case nil: break
        }
    }

    private func load(_ slot: Slot, isSole: Bool) {
        absences[slot] = .loading
        let recovery = SlotRecovery(
            store: environment.store, limits: environment.limits, now: environment.clock.now())
        let known = knownEpochs[slot]
        let recovering: @Sendable () throws -> RecoveredSlot = {
            try recovery.recover(slot, knownEpoch: known, isSole: isSole)
        }
        work(recovering) { executor, result in
            executor.absences[slot] = nil
            switch result {
            case .success(let recovered): executor.take(slot, recovered)
            case .failure(let failure): executor.breakDown(slot, failure)
            }
        }
    }

    private func take(_ slot: Slot, _ recovered: RecoveredSlot) {
        guard let row = rows[slot] else { return }
        knownEpochs[slot] = row.epoch
        let replica = SlotReplica(slot: slot, executor: self, environment: environment, recovered: recovered)
        if let peers { replica.core.peers = peers.view }
        replicas[slot] = replica
        let now = BootTime.now()
        replica.core.rowChanged(row, now: now)
        carryOut(replica, now: now)
    }

    /// Deletes what the disk has of the slot, then looks at its row again.
    ///
    /// There is no haste, and every deletion flushes the whole store: so those of a rebalance are gathered.
    private func clear(_ slot: Slot, isBroken: Bool) {
        absences[slot] = .clearing
        toClear.append((slot, isBroken))
        // It lacks a copy until this disk may learn it anew.
        if isBroken { return clearGathered() }
        guard !isClearingDue else { return }
        isClearingDue = true
        schedule(in: environment.limits.clearingDelay) { [weak self] in self?.clearGathered() }
    }

    private func clearGathered() {
        isClearingDue = false
        let slots = toClear.map(\.slot)
        let hasBroken = toClear.contains(where: \.isBroken)
        toClear = []
        guard !slots.isEmpty else { return }
        let store = environment.store
        let writer = environment.writer
        let begun = ContinuousClock.now
        let deletion: @Sendable () throws -> Void = { try store.delete(slots, writer: writer, hasBroken: hasBroken) }
        work(deletion, on: environment.movers) { executor, result in
            executor.environment.logger.info(
                "data of dropped replicas are deleted",
                metadata: [
                    "slots": "\(slots.count)", "ms": "\(Int((ContinuousClock.now - begun) / .milliseconds(1)))",
                ])
            for slot in slots {
                executor.absences[slot] = nil
                executor.knownEpochs[slot] = nil
                if case .failure(let failure) = result {
                    executor.breakDown(slot, failure)
                } else {
                    executor.arrange(slot)
                }
            }
        }
    }

    /// Runs what blocks away from the loop.
    ///
    /// - Parameter pool: the environment's `disks`, unless it is another one.
    func work<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value, on pool: BoundedPool? = nil,
        then: @escaping (SlotExecutor, Result<Value, any Error>) -> Void
    ) {
        let bound = NIOLoopBound((executor: self, then: then), eventLoop: loop)
        let isTaken = (pool ?? environment.disks).submit(on: loop, body) { result in
            let (executor, then) = bound.value
            if !executor.isClosed { then(executor, result) }
        }
        guard !isTaken else { return }
        schedule(in: .milliseconds(100)) { [weak self] in self?.work(body, on: pool, then: then) }
    }

    // MARK: Replicas that are given up

    /// The replica cannot be trusted, or cannot be read: it takes no part any more. Its data stays until others hold the
    /// slot without it.
    func takeOut(_ replica: SlotReplica, _ reason: String) {
        guard replicas[replica.slot] === replica else { return }
        remove(replica)
        breakDown(replica.slot, reason)
    }

    private func breakDown(_ slot: Slot, _ failure: any Error) {
        if let failure = failure as? StorageFailure, !failure.isLocal { environment.fail(failure) }
        if failure is CancellationError { return }
        breakDown(slot, "\(failure)")
    }

    private func breakDown(_ slot: Slot, _ reason: String) {
        environment.logger.critical(
            "this node's replica of a slot is broken, and is taken out; the others serve on",
            metadata: ["slot": "\(slot)", "reason": "\(reason)"])
        absences[slot] = .broken(reason)
        changes.append(.mark(slot, .corrupt))
        scheduleFlush()
        arrange(slot)
    }

    func remove(_ replica: SlotReplica) {
        retire(replica, "the replica is gone")
        replica.abandonAwaitedRows("the replica is gone")
        replicas[replica.slot] = nil
        claimsChanged = true
    }

    func retire(_ replica: SlotReplica, _ reason: String) {
        guard let runtime = replica.runtime else { return }
        replica.runtime = nil
        slotServesNoMore(replica.slot)
        runtime.retire(reason)
        hub.leave(replica.slot, epoch: replica.core.epoch)
    }

    // MARK: The protocol's actions

    /// - Parameter entries: of the append that was just received.
    func carryOut(_ replica: SlotReplica, entries: [ByteBuffer] = [], positions: [LogPosition] = [], now: BootTime) {
        let slot = replica.slot
        keepRow(of: replica)
        let actions = replica.core.takeActions()
        if actions.isEmpty { return }
        for action in actions {
            switch action {
            case .truncate(let index):
                replica.truncate(from: index)
                changes.append(.truncate(slot, from: index, generation: replica.generation))
            case .persist(let range):
                for place in range { persist(entries[place], at: positions[place], of: replica) }
            case .reply(let to, let reply): send(.appendReply(reply), to: to)
            case .append(let order): serve(order, of: replica)
            case .apply: markToApply(replica)
            case .open(let position): open(replica, at: position)
            case .retire: retire(replica, "the slot has moved")
            case .swap(let swap):
                claimsChanged = true
                swaps.append(swap)
            case .campaign(let swap):
                claimsChanged = true
                campaigns.append(swap)
            case .refreshRow: post?.refresh([slot])
            case .handOver(let to, let epoch): send(.handOver(slot: slot, epoch: epoch), to: to)
            case .admit(let to, let epoch, let life): send(.admission(slot: slot, epoch: epoch, life: life), to: to)
            case .sendSnapshot(let to): sendSnapshot(of: replica, to: to)
            case .noteEpoch(let epoch): changes.append(.know(slot, epoch))
            case .wipe(let reason): takeOut(replica, reason)
            case .drop:
                environment.logger.info("a replica is dropped", metadata: ["slot": "\(slot)"])
                remove(replica)
                clear(slot, isBroken: false)
            }
        }
        scheduleFlush()
    }

    /// Before anything that follows from the row: what this node does by a row is on its disk only after the row itself,
    /// so that the map can be made anew from the disks.
    private func keepRow(of replica: SlotReplica) {
        // A blank disk must not look as if it stood for anything.
        guard let row = replica.core.row, row.epoch > replica.keptRow, !replica.core.isBlank,
            row.holders.contains(environment.node)
        else { return }
        replica.keptRow = row.epoch
        changes.append(.keepRow(replica.slot, row.epoch, row.encoded()))
        scheduleFlush()
    }

    private func persist(_ entry: ByteBuffer, at position: LogPosition, of replica: SlotReplica) {
        replica.hold(position, entry, nil)
        changes.append(
            .append(
                LogWriter.Append(
                    slot: replica.slot, index: position.index, entry: entry, generation: replica.generation)))
    }

    private func open(_ replica: SlotReplica, at position: LogPosition) {
        claimsChanged = true
        let claim = PeerLiveness.Claim(slot: replica.slot, epoch: replica.core.primaryEpoch)
        for id in replica.core.claimedFrom { newClaims[id, default: []].append(claim) }
        let runtime = SlotRuntime(replica)
        replica.runtime = runtime
        do throws(StorageFailure) {
            try runtime.open(at: position)
        } catch {
            takeOut(replica, "\(error)")
        }
    }

    /// A command has made an entry.
    func proposed(_ append: LogWriter.Append, by replica: SlotReplica) {
        changes.append(.append(append))
        if !replica.isDirty {
            replica.isDirty = true
            dirty.append(replica)
        }
        scheduleFlush()
    }

    func markToApply(_ replica: SlotReplica) {
        guard !replica.isToApply else { return }
        replica.isToApply = true
        toApply.append(replica)
    }
}

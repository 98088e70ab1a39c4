import Identity
import Logging
import NIOCore
import Placement
import Replication
import Storage
import Transport
import Wire

/// What comes in from the disk, from other nodes and from the clock, and what goes out to other nodes.
extension SlotExecutor {
    // MARK: In

    func durable(_ reports: [Slot: Durability]) {
        guard !isClosed else { return }
        let now = BootTime.now()
        for (slot, report) in reports {
            guard let replica = replicas[slot] else { continue }
            if let row = report.row {
                replica.durableRow = max(replica.durableRow, row)
                // A swap may have waited for it.
                if !swaps.isEmpty { scheduleFlush() }
            }
            if let epoch = report.epoch { replica.core.noted(epoch, now: now) }
            if let index = report.index, report.generation == replica.generation {
                replica.core.durable(through: index, generation: replica.core.generation)
            }
            carryOut(replica, now: now)
        }
    }

    func received(_ messages: [SlotMessage], from sender: NodeID) {
        guard !isClosed else { return }
        let now = BootTime.now()
        for message in messages {
            switch message {
            case .append(let received): take(received, from: sender, now: now)
            case .reply(let reply):
                guard let replica = replicas[reply.slot] else { continue }
                if case .durable(let index) = reply.result { caughtUp(sender, reply.slot, through: index) }
                replica.core.received(reply, from: sender, now: now)
                carryOut(replica, now: now)
            case .handOver(let slot, let epoch):
                guard let replica = replicas[slot] else { continue }
                replica.core.receivedHandOver(epoch, from: sender, now: now)
                carryOut(replica, now: now)
            case .admission(let slot, let epoch, let life):
                guard let replica = replicas[slot] else { continue }
                replica.core.receivedAdmission(epoch, life: life, from: sender)
                carryOut(replica, now: now)
            }
        }
    }

    private func take(_ received: ReceivedAppend, from sender: NodeID, now: BootTime) {
        let slot = received.append.slot
        guard let replica = replicas[slot] else {
            // So that the primary goes on without this replica.
            if case .broken = absences[slot] {
                let reply = AppendReply(
                    slot: slot, epoch: received.append.epoch, result: .blank, life: environment.life, isBlank: true,
                    commitIndex: .zero)
                send(.appendReply(reply), to: sender)
                scheduleFlush()
            }
            return
        }
        if let mark = received.idMark {
            guard ClockGuard.takes(mark: mark, after: replica.takenMark, clock: environment.clock.now()) else {
                return refuse(mark, of: replica, from: sender)
            }
            replica.takenMark = max(replica.takenMark, mark)
        }
        replica.core.received(received.head, from: sender, now: now)
        carryOut(replica, entries: received.append.entries, positions: received.positions, now: now)
    }

    /// Not answered: the primary sends it again, and without an answer goes on without this node, if it may.
    private func refuse(_ mark: Snowflake, of replica: SlotReplica, from sender: NodeID) {
        guard replica.refusedMark != mark else { return }
        replica.refusedMark = mark
        environment.logger.error(
            "an entry is refused: its ids lie far ahead of this node's clock; one of the two clocks is wrong",
            metadata: ["slot": "\(replica.slot)", "ids_at": "\(mark.timestamp)", "from": "\(sender)"])
    }

    /// There is a stream to another node; what was sent on the one before may be lost.
    func connected(_ id: NodeID, _ stream: any TransportStream) {
        guard !isClosed else { return }
        streams[id] = stream
        catchUps[id] = nil
        let now = BootTime.now()
        for replica in replicas.values where replica.core.isPrimary {
            replica.core.reconnected(id, now: now)
            carryOut(replica, now: now)
        }
    }

    func peersChanged(_ news: PeerNews) {
        guard !isClosed else { return }
        peers = news
        for replica in replicas.values { replica.core.peers = news.view }
    }

    func tick() {
        guard !isClosed else { return }
        let now = BootTime.now()
        for replica in replicas.values {
            let campaignTime = peers?.campaignTimes[Int(replica.slot.rawValue)]
            replica.core.tick(now: now, campaignTime: campaignTime ?? now + .seconds(60))
            carryOut(replica, now: now)
        }
        for id in catchUps.keys { goOn(id) }
        if claimsChanged { tellClaims() }
    }

    /// Those of slots that were opened in this turn: they serve once these are answered.
    func tellNewClaims() {
        guard !newClaims.isEmpty else { return }
        post?.tellNewClaims(newClaims)
        newClaims = [:]
    }

    private func tellClaims() {
        claimsChanged = false
        var claims: Claims = [:]
        for (slot, replica) in replicas where replica.core.isPrimary {
            let claim = PeerLiveness.Claim(slot: slot, epoch: replica.core.primaryEpoch)
            for id in replica.core.claimedFrom { claims[id, default: []].append(claim) }
        }
        post?.setClaims(claims, of: number)
    }

    // MARK: Out

    func send(_ message: ReplicationMessage, to id: NodeID) { outgoing[id, default: []].append(message) }

    /// One item for each node, unless it becomes too large.
    func sendMessages() {
        guard !outgoing.isEmpty else { return }
        let all = outgoing
        outgoing = [:]
        for (id, messages) in all {
            guard let stream = streams[id] else { continue }
            var batch: [ReplicationMessage] = []
            var size = 0
            var isOpen = true
            for message in messages {
                if size + message.size > environment.limits.replicationItemBytes, !batch.isEmpty {
                    isOpen = isOpen && stream.send(ReplicationBatch(batch).encoded())
                    batch = []
                    size = 0
                }
                batch.append(message)
                size += message.size
            }
            isOpen = isOpen && stream.send(ReplicationBatch(batch).encoded())
            if !isOpen { shed(id, stream) }
        }
    }

    /// The other node does not keep up: the connection is given up, and what it lacks is sent again on the next one.
    private func shed(_ id: NodeID, _ stream: any TransportStream) {
        environment.logger.info(
            "a stream to a guild node takes no more: it is closed, or the node does not keep up",
            metadata: ["peer": "\(id)"])
        environment.metrics.streamsShed.increment()
        streams[id] = nil
        stream.close("the stream's queue is full")
    }

    // MARK: Entries for followers

    /// Sends what a follower is owed, from memory if it is there.
    func serve(_ order: AppendOrder, of replica: SlotReplica) {
        guard let entries = replica.heldEntries(after: order.previous, through: order.through) else {
            catchUps[order.to, default: CatchUp()].add(order, of: replica.slot)
            return goOn(order.to)
        }
        var start = 0
        var previous = order.previous
        repeat {
            var end = start
            var bytes = 0
            while end < entries.count, bytes == 0 || bytes < environment.limits.appendBytes {
                bytes += entries[end].readableBytes
                end += 1
            }
            send(
                .append(
                    AppendMessage(
                        slot: replica.slot, epoch: order.epoch, previous: previous, commitIndex: order.commitIndex,
                        entries: Array(entries[start..<end]))), to: order.to)
            let index = LogIndex(rawValue: order.previous.index.rawValue + UInt64(end))
            // What is in memory is in the log that the spans describe.
            previous = replica.core.log.position(at: index) ?? previous
            start = end
        } while start < entries.count
        scheduleFlush()
    }

    /// Where the order stands that is next. Commits wait for members, so they come at once; nobody waits for a learner,
    /// and what it is sent is in the way of other slots' entries at the disks, so it comes at a bounded rate.
    private func nextOrder(_ catchUp: inout CatchUp, of id: NodeID) -> Int? {
        guard !catchUp.orders.isEmpty else { return nil }
        guard let pause = catchUp.pause(now: .now()) else { return 0 }
        let isLearner: (Slot) -> Bool = { [replicas] in replicas[$0]?.core.row?.learners.contains(id) ?? false }
        if let place = catchUp.orders.firstIndex(where: { !isLearner($0.slot) }) { return place }
        guard !catchUp.isPausing else { return nil }
        catchUp.isPausing = true
        schedule(in: pause) { [weak self] in
            self?.catchUps[id]?.isPausing = false
            self?.goOn(id)
        }
        return nil
    }

    /// Reads from the log what a lagging follower is owed next, if not too much is under way to it.
    func goOn(_ id: NodeID) {
        guard var catchUp = catchUps[id], !catchUp.isReading else { return }
        defer { catchUps[id] = catchUp }
        catchUp.forgive(after: environment.limits.catchUpPatience)
        while catchUp.bytes < environment.limits.catchUpBytes, let place = nextOrder(&catchUp, of: id) {
            let (slot, order) = catchUp.orders.remove(at: place)
            guard let replica = replicas[slot], replica.core.isPrimary else { continue }
            if replica.heldEntries(after: order.previous, through: order.through) != nil {
                serve(order, of: replica)
                continue
            }
            catchUp.isReading = true
            let store = environment.store
            let limit = environment.limits.appendBytes
            let reading: @Sendable () throws -> [RawEntry] = {
                try store.log.rawEntries(slot, from: order.previous.index.next, maximumBytes: limit)
            }
            work(reading) { executor, result in
                executor.catchUps[id]?.isReading = false
                executor.sendRead(result, order, slot)
                executor.goOn(id)
            }
            return
        }
    }

    private func sendRead(_ result: Result<[RawEntry], any Error>, _ order: AppendOrder, _ slot: Slot) {
        guard let replica = replicas[slot], replica.core.isPrimary else { return }
        let read: [RawEntry]
        switch result {
        case .success(let entries): read = entries.filter { $0.position.index <= order.through }
        case .failure(let failure):
            guard let failure = failure as? StorageFailure else { return }
            guard failure.isLocal else { environment.fail(failure) }
            return takeOut(replica, "\(failure)")
        }
        // The log may have been trimmed since: then the follower is asked again what it has.
        guard let last = read.last, read[0].position.index == order.previous.index.next else { return }
        let bytes = read.reduce(0) { $0 + $1.encoded.readableBytes }
        catchUps[order.to]?.sent(slot, through: last.position.index, bytes: bytes)
        if replica.core.row?.learners.contains(order.to) ?? false {
            catchUps[order.to]?.pace(bytes, aSecond: environment.limits.learnerBytesPerSecond, now: .now())
        }
        send(
            .append(
                AppendMessage(
                    slot: slot, epoch: replica.core.primaryEpoch, previous: order.previous,
                    commitIndex: order.commitIndex, entries: read.map(\.encoded))), to: order.to)
        if last.position.index < order.through {
            var rest = order
            rest.previous = last.position
            catchUps[order.to]?.putOff(rest, of: slot)
        }
        scheduleFlush()
    }

    private func caughtUp(_ id: NodeID, _ slot: Slot, through index: LogIndex) {
        guard catchUps[id]?.acknowledged(slot, through: index) ?? false else { return }
        goOn(id)
    }
}

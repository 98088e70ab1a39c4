import Identity
import Placement
import Replication

/// Messages of other nodes, and commands.
extension Node {
    func received(_ message: NodeMessage, from sender: Int) {
        let name = world.names[sender]
        let now = bootTime
        switch message {
        case .append(let slot, let head, let entries):
            guard let host = hosts[slot] else {
                // It may be that a row is on its way that names this node.
                return world.askRow(slot, for: self)
            }
            arrived = entries
            host.replica.received(head, from: name, now: now)
            settle(host)
        case .reply(let slot, let reply):
            guard let host = hosts[slot] else { return }
            host.replica.received(reply, from: name, now: now)
            settle(host)
        case .beacon(let beacon):
            let reply = liveness.received(beacon, from: name, now: now)
            world.send(.beaconReply(reply), from: index, to: sender)
        case .beaconReply(let reply): liveness.answered(by: name, reply, now: now)
        case .handOver(let slot, let epoch):
            guard let host = hosts[slot] else { return }
            host.replica.receivedHandOver(epoch, from: name, now: now)
            settle(host)
        case .admission(let slot, let epoch, let life):
            guard let host = hosts[slot] else { return }
            host.replica.receivedAdmission(epoch, life: life, from: name)
            settle(host)
        case .snapshot(let slot, let epoch, let state):
            guard let host = hosts[slot], !host.isIngesting,
                host.replica.takesSnapshot(from: name, epoch: epoch, at: state.applied)
            else { return }
            world.trace("node \(index) slot \(slot): takes a snapshot at \(state.applied)")
            host.replica.installing()
            host.isIngesting = true
            host.snapshotSender = sender
            disk.clear(slot)
            disk.files[slot].isIngesting = true
            write(.install(state), of: host)
        case .snapshotInstalled(let slot, let position):
            guard let host = hosts[slot] else { return }
            host.replica.snapshotSent(to: name, at: position, now: now)
            settle(host)
        case .effects(let source, let destination, let effects):
            guard let host = hosts[destination] else { return }
            receive(effects, of: source, at: host, from: sender)
        case .effectsApplied(let source, let destination, let through):
            guard let host = hosts[source] else { return }
            delivered(host, destination, through)
        }
    }

    // MARK: Commands

    func request(_ call: ClientCall, attempt: Int) {
        guard let host = hosts[call.slot] else { return world.answer(call, attempt: attempt, .moved(nil), from: self) }
        refresh(host)
        guard host.replica.isPrimary else {
            let primary = host.replica.row.map { world.number(of: $0.primary) }
            return world.answer(call, attempt: attempt, .moved(primary == index ? nil : primary), from: self)
        }
        guard host.overlay != nil, mayServe(host) else {
            return world.answer(call, attempt: attempt, .unavailable, from: self)
        }
        world.oracle.serves(call.slot, at: self)
        switch call.kind {
        case .append: append(call, attempt: attempt, at: host)
        case .read:
            let channel = host.overlay!.channels[call.channel]
            let answer = ClientAnswer.contents(version: channel.items.count, hash: channel.hash)
            #if GUILDHALL_MUTATIONS
                if Mutation.active == .answerFromOverlay {
                    world.oracle.answers(call, of: host.slot, resting: host.last.index)
                    return world.answer(call, attempt: attempt, answer, from: self)
                }
            #endif
            gate(call, answer, at: host)
        case .committedRead:
            let channel = host.state.channels[call.channel]
            world.answer(
                call, attempt: attempt, .contents(version: channel.items.count, hash: channel.hash), from: self)
        }
    }

    private func mayServe(_ host: SlotHost) -> Bool {
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .serveBeforeOwnEntry { return host.replica.isPrimary }
        #endif
        return host.replica.mayServe(now: bootTime)
    }

    private func append(_ call: ClientCall, attempt: Int, at host: SlotHost) {
        switch host.requests.begin(call.request, attempt, now: wallTime.milliseconds, limit: 16) {
        case .first: break
        case .joined: return
        case .crowded, .outOfTime: return world.answer(call, attempt: attempt, .unavailable, from: self)
        }
        if let remembered = host.overlay!.requests[call.request] {
            world.totals.repetitions += 1
            return gate(call, .appended(remembered), at: host)
        }
        var minter = host.minter
        guard let id = try? minter.mint(now: wallTime) else {
            _ = host.requests.end(call.request)
            return world.answer(call, attempt: attempt, .unavailable, from: self)
        }
        let isProposed = propose(
            .append(channel: call.channel, value: call.number, id: id), mark: minter.mark, request: call.request,
            destination: call.destination, at: host)
        guard isProposed else {
            _ = host.requests.end(call.request)
            return world.answer(call, attempt: attempt, .unavailable, from: self)
        }
        host.minter = minter
        gate(
            call, .appended(.init(id: id, version: host.overlay!.channels[call.channel].items.count)), at: host)
        pump(host)
    }

    /// The answer waits until all is committed that it may rest on.
    private func gate(_ call: ClientCall, _ answer: ClientAnswer, at host: SlotHost) {
        if host.state.applied == host.last {
            world.oracle.answers(call, of: host.slot, resting: host.last.index)
            _ = host.requests.end(call.request)
            return world.answer(call, answer, from: self)
        }
        host.gates.append(SlotHost.Gate(index: host.last.index, call: call, answer: answer))
    }

    private func propose(
        _ change: ModelEntry.Change, mark: Snowflake, request: RequestID? = nil, destination: Int? = nil,
        at host: SlotHost
    ) -> Bool {
        guard let position = try? host.replica.propose() else { return false }
        let effect = destination.map { destination in
            guard case .append(_, let value, _) = change else { preconditionFailure("only messages have effects") }
            return ModelEntry.Effect(
                destination: destination, number: host.outbox.nextNumber(world.slots[destination]), value: value)
        }
        let entry = ModelEntry(
            position: position, idMark: mark, commitIndex: host.replica.commitIndex, change: change, request: request,
            effect: effect)
        host.entries.append(entry)
        host.overlay!.apply(entry)
        write(.append([entry]), of: host)
        world.totals.entries += 1
        if emitsEarly, entry.hasEvent { world.oracle.emits(entry, of: host.slot, at: self) }
        return true
    }

    var emitsEarly: Bool {
        #if GUILDHALL_MUTATIONS
            return Mutation.active == .emitBeforeCommit
        #else
            return false
        #endif
    }

    private func pump(_ host: SlotHost) {
        host.replica.pump(now: bootTime)
        settle(host)
    }

    // MARK: Effects

    func deliverOutbox(_ host: SlotHost) {
        guard host.overlay != nil, host.replica.mayServe(now: bootTime) else { return }
        for destination in hosts.indices where host.state.outboxLast[destination] > 0 {
            let name = world.slots[destination]
            if let end = host.underWay[destination] {
                guard world.now >= end else { continue }
                host.underWay[destination] = nil
                _ = host.outbox.end(name, through: nil)
            }
            guard let numbers = host.outbox.begin(name, batch: 4) else { continue }
            let effects = host.state.outbox[destination].filter { numbers.contains($0.number) }
            if effects.count != numbers.count {
                world.oracle.fail("no effect is missing", "slot \(host.slot) to \(destination): \(numbers)")
            }
            host.underWay[destination] = world.now + Scenario.second
            if let row = world.coordinator.rows[destination] {
                world.send(
                    .effects(source: host.slot, destination: destination, effects), from: index,
                    to: world.number(of: row.primary))
            }
        }
    }

    private func receive(_ effects: [ModelEntry.Effect], of source: Int, at host: SlotHost, from sender: Int) {
        refresh(host)
        guard host.overlay != nil, host.replica.mayServe(now: bootTime) else { return }
        for effect in effects {
            switch OutboxNumbers.arrival(of: effect.number, after: host.overlay!.inbox[source]) {
            case .repeated: continue
            case .early: return
            case .next: break
            }
            guard
                propose(
                    .receive(source: source, number: effect.number, value: effect.value), mark: host.minter.mark,
                    at: host)
            else { break }
        }
        let through = host.overlay!.inbox[source]
        if host.state.applied == host.last {
            world.send(
                .effectsApplied(source: source, destination: host.slot, through: through), from: index, to: sender)
        } else {
            host.deliveries.append((host.last.index, source, through, sender))
        }
        pump(host)
    }

    private func delivered(_ host: SlotHost, _ destination: Int, _ through: UInt64) {
        refresh(host)
        guard host.overlay != nil, host.underWay[destination] != nil else { return }
        host.underWay[destination] = nil
        guard host.outbox.end(world.slots[destination], through: through) else { return }
        if propose(.forget(destination: destination, through: through), mark: host.minter.mark, at: host) { pump(host) }
    }
}

import Identity
import Placement
import Replication

/// What a replica asks for is done.
extension Node {
    func settle(_ host: SlotHost) {
        reportCommit(host)
        while true {
            let actions = host.replica.takeActions()
            if actions.isEmpty { return }
            for action in actions {
                perform(action, for: host)
                if host.isDropped { return }
            }
            reportCommit(host)
        }
    }

    private func reportCommit(_ host: SlotHost) {
        guard host.replica.isPrimary, host.replica.commitIndex > host.reportedCommit else { return }
        world.oracle.commits(host, at: self, through: host.replica.commitIndex)
        world.committed(host.slot, at: self)
    }

    private func perform(_ action: ReplicaSlot.Action, for host: SlotHost) {
        let slot = host.slot
        switch action {
        case .truncate(let index):
            world.totals.truncations += 1
            world.trace("node \(self.index) slot \(slot): log cut from \(index)")
            host.cut(from: index)
            write(.truncate(index), of: host)
        case .persist(let range):
            let entries = Array(arrived[range])
            host.entries += entries
            write(.append(entries), of: host)
        case .reply(let to, let reply): send(.reply(slot: slot, reply), to: to)
        case .append(let order):
            let entries = host.slice(after: order.previous.index, through: order.through)
            let head = AppendHead(
                epoch: order.epoch, previous: order.previous, commitIndex: order.commitIndex,
                positions: entries.map(\.position))
            send(.append(slot: slot, head, entries), to: order.to)
        case .apply(let through): apply(host, through: through)
        case .open(let position): open(host, position)
        case .retire: retire(host)
        case .swap(let swap): beginSwap(swap, for: host)
        case .campaign(let swap):
            if liveness.mayCampaign(for: host.replica.slot, epoch: swap.new.epoch, now: bootTime) {
                world.totals.campaigns += 1
                world.trace("node \(index) slot \(slot): campaigns for \(swap.new.brief)")
                host.replica.campaignAllowed(swap)
            } else {
                host.replica.campaignRefused(swap)
            }
        case .refreshRow: world.askRow(slot, for: self)
        case .handOver(let to, let epoch):
            world.trace("node \(index) slot \(slot): hands over to \(to) in \(epoch)")
            world.granted[slot] = to
            send(.handOver(slot: slot, epoch), to: to)
        case .admit(let to, let epoch, let life):
            world.totals.admissions += 1
            send(.admission(slot: slot, epoch, life: life), to: to)
        case .sendSnapshot(let to):
            let number = world.number(of: to)
            let snapshot = NodeMessage.snapshot(slot: slot, host.replica.primaryEpoch, host.state)
            let delay = world.random.span(5, 400)
            world.send(snapshot, from: index, to: number, after: delay)
            if world.now < world.snapshotsTwiceUntil {
                world.send(snapshot, from: index, to: number, after: delay + world.random.span(10, 300))
            }
            world.push(.snapshotTimeout(node: index, life: life, slot: slot, to: number), in: 3 * Scenario.second)
        case .noteEpoch(let epoch): write(.note(epoch), of: host)
        case .wipe(let reason):
            world.oracle.fail("no log parts from what is committed", "node \(index) slot \(slot): \(reason)")
        case .drop:
            world.trace("node \(index) slot \(slot): dropped")
            drop(host)
        }
    }

    private func send(_ message: NodeMessage, to: NodeID) { world.send(message, from: index, to: world.number(of: to)) }

    // MARK: Applying

    private func apply(_ host: SlotHost, through: LogIndex) {
        while host.state.applied.index < through {
            guard let entry = host.entry(at: host.state.applied.index.next) else {
                return world.oracle.fail(
                    "committed entries are in the log", "slot \(host.slot) \(host.state.applied.index.next) at \(index)"
                )
            }
            world.oracle.applies(entry, of: host.slot, at: self)
            host.state.apply(entry)
            guard host.replica.isPrimary else { continue }
            let begins = host.replica.applied(through: entry.position.index)
            if let effect = entry.effect { host.outbox.committed(world.slots[effect.destination], effect.number) }
            if host.overlay != nil, entry.hasEvent, !emitsEarly {
                world.oracle.emits(entry, of: host.slot, at: self)
            }
            if begins { beginServing(host) }
        }
        _ = host.replica.applied(through: host.state.applied.index)
        passGates(host)
    }

    private func open(_ host: SlotHost, _ position: LogPosition) {
        let slot = host.slot
        world.opened(slot, by: self, epoch: position.epoch)
        let entry = ModelEntry(
            position: position, idMark: Snowflake(rawValue: 0), commitIndex: host.replica.commitIndex, change: .opening)
        host.entries.append(entry)
        host.overlay = nil
        host.requests.removeAll()
        write(.append([entry]), of: host)
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .serveBeforeOwnEntry { beginServing(host) }
        #endif
    }

    private func beginServing(_ host: SlotHost) {
        world.trace(
            "node \(index) slot \(host.slot): serves in \(host.replica.primaryEpoch) from \(host.state.applied)")
        host.overlay = host.state
        host.minter = IDMinter(slot: host.replica.slot, mark: host.state.idMark)
        host.outbox = OutboxNumbers()
        host.underWay = Array(repeating: nil, count: hosts.count)
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .reuseIDs { host.minter = IDMinter(slot: host.replica.slot) }
            if Mutation.active == .forgetRequests { host.overlay?.requests = [:] }
        #endif
        for destination in hosts.indices where host.state.outboxLast[destination] > 0 {
            let last = host.state.outboxLast[destination]
            host.outbox.recover(
                world.slots[destination], last: last,
                acknowledged: (host.state.outbox[destination].first?.number ?? last + 1) - 1)
        }
        world.oracle.subscribes(to: host, at: self)
    }

    private func retire(_ host: SlotHost) {
        world.trace("node \(index) slot \(host.slot): serves no more")
        host.overlay = nil
        host.wasServing = false
        let gates = host.gates
        host.gates = []
        host.deliveries = []
        for gate in gates { world.answer(gate.call, .interrupted, from: self) }
        host.requests.removeAll()
    }

    private func passGates(_ host: SlotHost) {
        let applied = host.state.applied.index
        while let gate = host.gates.first, gate.index <= applied {
            host.gates.removeFirst()
            world.oracle.answers(gate.call, of: host.slot, resting: gate.index)
            let answer = host.replica.mayAnswer(now: bootTime) ? gate.answer : .interrupted
            let joined = host.requests.end(gate.call.request)
            world.answer(gate.call, answer, from: self)
            for attempt in joined { world.answer(gate.call, attempt: attempt, answer, from: self) }
        }
        while let delivery = host.deliveries.first, delivery.index <= applied {
            host.deliveries.removeFirst()
            world.send(
                .effectsApplied(source: delivery.source, destination: host.slot, through: delivery.through),
                from: index, to: delivery.from)
        }
    }

    // MARK: Swaps

    private func beginSwap(_ swap: RowSwap, for host: SlotHost) {
        world.trace("node \(index) slot \(host.slot): swaps to \(swap.new.brief)")
        let call = CoordinatorCall(node: index, life: life, slot: host.slot, swap: swap, number: world.nextNumber())
        swaps[call.number] = call
        attempt(call)
    }

    private func attempt(_ call: CoordinatorCall) {
        world.sendToCoordinator(call)
        world.push(.swapTimeout(node: index, life: life, number: call.number), in: world.random.span(700, 1_200))
    }

    /// The outcome is unknown: the same swap is tried again.
    func swapTimedOut(_ number: Int) {
        guard let call = swaps[number] else { return }
        if call.isDone { world.totals.unknownSwaps += 1 }
        world.trace("node \(index) slot \(call.slot): the outcome of a swap is unknown")
        attempt(call)
    }
}

extension ShardMapRow {
    /// For traces.
    var brief: String {
        func names(_ nodes: [NodeID]) -> String { nodes.map(\.rawValue).joined(separator: ",") }
        return
            "\(epoch): \(primary) in sync \(names(inSync)), eligible \(names(eligible)), learners \(names(learners)),"
            + " target \(names(target)), minimum \(minimum)"
    }
}

import Identity
import Placement
import Replication

/// What goes wrong, and its end.
extension World {
    func begin(_ place: Int) {
        let fault = scenario.faults[place].fault
        trace("fault \(fault)")
        switch fault {
        case .crash(let node, let down): stop(node, for: down)
        case .pause(let node, let span):
            guard nodes[node].isUp, !nodes[node].isPaused else { return }
            nodes[node].isPaused = true
            push(.resume(node: node), in: span)
        case .split(let side, let span):
            let others = nodes.indices.filter { !side.contains($0) }
            block(place, side.flatMap { one in others.flatMap { [(one, $0), ($0, one)] } }, for: span)
        case .deafen(let from, let to, let span): block(place, [(from, to)], for: span)
        case .oneWay(let node, let hears, let span):
            let others = nodes.indices.filter { $0 != node }
            block(place, others.map { hears ? (node, $0) : ($0, node) }, for: span)
        case .breakConnection(let one, let other): network.breakConnection(one, other)
        case .loss(let span): network.lossyUntil = max(network.lossyUntil, now + span)
        case .stallDisk(let node, let span):
            nodes[node].disk.stalledUntil = max(nodes[node].disk.stalledUntil, now + span)
        case .failDisk(let node): if nodes[node].isUp { nodes[node].disk.isFailing = true }
        case .wipe(let node, let down):
            guard mayWipe(node) else { return }
            totals.wipes += 1
            nodes[node].crash()
            nodes[node].disk = ModelDisk(slots: slots.count)
            push(.restart(node: node), in: down)
        case .coordinatorAway(let span): coordinator.awayUntil = max(coordinator.awayUntil, now + span)
        case .coordinatorPause(let span): coordinator.pausedUntil = max(coordinator.pausedUntil, now + span)
        case .coordinatorLost(let node, let span):
            coordinator.lostUntil[node] = max(coordinator.lostUntil[node], now + span)
        case .unknownOutcomes(let span):
            coordinator.losesOutcomesUntil = max(coordinator.losesOutcomesUntil, now + span)
        case .stepClock(let node, let milliseconds): nodes[node].wallSkew += milliseconds
        case .move(let slot): move(slot)
        case .drain(let node, let span):
            guard nodes.count > 3 else { return }
            draining.insert(node)
            push(.heal(place), in: span)
        case .rush(let slot, let span): rush = (slot, now + span)
        case .snapshotsTwice(let span): snapshotsTwiceUntil = max(snapshotsTwiceUntil, now + span)
        case .ambush(let slot, let follower, let down):
            ambush = Ambush(slot: slot, follower: follower, down: down, until: now + Scenario.second)
        case .theme(let theme, let slot): begin(theme, slot: slot)
        }
    }

    func heal(_ place: Int) {
        if case .drain(let node, _) = scenario.faults[place].fault { draining.remove(node) }
        guard let ways = blocked.removeValue(forKey: place) else { return }
        trace("healed \(scenario.faults[place].fault)")
        for (from, to) in ways { network.unblock(from: from, to: to) }
    }

    private func stop(_ node: Int, for span: Int64) {
        guard nodes[node].isUp else { return }
        totals.crashes += 1
        nodes[node].crash()
        push(.restart(node: node), in: span)
    }

    private func block(_ place: Int, _ ways: [(Int, Int)], for span: Int64) {
        for (from, to) in ways { network.block(from: from, to: to) }
        blocked[place] = ways
        push(.heal(place), in: span)
    }

    /// A wiped disk has to be made good before the next one is lost.
    private func mayWipe(_ node: Int) -> Bool {
        slots.indices.allSatisfy { slot in
            guard let row = coordinator.rows[slot] else { return false }
            let members = row.inSync + row.eligible
            guard members.contains(names[node]) else { return true }
            // With one member, or before the factor is reached, there is nothing to spare.
            guard row.minimum >= 2 else { return false }
            return members.count >= 2
                && members.allSatisfy { nodes[number(of: $0)].disk.files[slot].knownEpoch != nil }
        }
    }

    // MARK: The controller

    func control() {
        push(.control, in: random.span(2_000, 5_000))
        guard now >= coordinator.awayUntil else { return }
        for slot in slots.indices {
            guard let row = coordinator.rows[slot], row.target.isEmpty else { continue }
            let isShort = row.holders.count < min(3, names.count)
            let isDrained = row.holders.contains { draining.contains(number(of: $0)) }
            if isShort || isDrained { retarget(slot, nodes: planned(slot, weights: [:])) }
        }
    }

    func move(_ slot: Int) {
        guard let row = coordinator.rows[slot], now >= coordinator.awayUntil else { return }
        var wanted = planned(slot, weights: [random.integer(0...names.count - 1): 10])
        // The plan leaves it where it is: another of its nodes becomes primary.
        if wanted == row.holders { wanted = Array(wanted.dropFirst()) + [wanted[0]] }
        retarget(slot, nodes: wanted)
    }

    private func retarget(_ slot: Int, nodes: [NodeID]) {
        guard var row = coordinator.rows[slot], nodes.count >= row.minimum, !nodes.isEmpty else { return }
        let old = row
        row.target = nodes
        row.epoch = row.epoch.next
        coordinator.rows[slot] = row
        changed(slot, from: old)
    }

    private func planned(_ slot: Int, weights: [Int: Int]) -> [NodeID] {
        let candidates = names.indices.map { index in
            PlacementNode(id: names[index], weight: weights[index] ?? 100, isDraining: draining.contains(index))
        }
        guard let row = coordinator.rows[slot] else { return [] }
        return Plans.nodes(for: PlacementRow(row), among: candidates)
    }

    // MARK: The end

    /// After the last fault everything is healed, and the cluster has to become whole again.
    func check() {
        if now == Scenario.span {
            trace("all is healed")
            for place in blocked.keys.sorted() { heal(place) }
            draining = []
            network.lossyUntil = 0
            coordinator.awayUntil = 0
            coordinator.pausedUntil = 0
            coordinator.losesOutcomesUntil = 0
            coordinator.lostUntil = Array(repeating: 0, count: nodes.count)
            for node in nodes {
                node.disk.stalledUntil = 0
                node.disk.isFailing = false
                if node.isPaused { resume(node.index) }
            }
        } else if let reason = unfinished() {
            if now > Scenario.span + 60 * Scenario.second { oracle.fail("a healed cluster becomes whole", reason) }
        } else {
            isEnding = true
        }
        push(.check, in: Scenario.second / 2)
    }

    private func unfinished() -> String? {
        if let node = nodes.first(where: { !$0.isUp }) { return "node \(node.index) is down" }
        if let call = calls.first(where: { $0.answered == nil && now < $0.deadline }) {
            return "call \(call.number) waits"
        }
        for slot in slots.indices {
            guard let row = coordinator.rows[slot] else { return "slot \(slot) has no row" }
            let primary = nodes[number(of: row.primary)]
            guard let host = primary.hosts[slot], host.overlay != nil, host.replica.mayServe(now: primary.bootTime)
            else { return "slot \(slot) is not served: \(row.brief)" }
            guard row.target.isEmpty, row.learners.isEmpty, row.eligible.isEmpty,
                row.inSync.count >= min(3, nodes.count)
            else { return "slot \(slot) is not whole: \(row.brief)" }
            guard host.outbox.destinations.isEmpty, !host.underWay.contains(where: { $0 != nil }) else {
                return "slot \(slot) has effects to deliver"
            }
            for member in row.inSync {
                guard let other = nodes[number(of: member)].hosts[slot], other.state.equals(host.state),
                    host.state.applied == host.last
                else { return "slot \(slot): \(member) differs from \(row.primary)" }
            }
        }
        return nil
    }
}

import Identity
import Replication

/// Somebody who calls, waits for the answer, and calls again.
struct Client {
    let number: Int
    /// By slot: the node that was last said to be primary.
    var primaries: [Int: Int] = [:]
}

/// The clients and, in one with them, the routers: a call goes to the node that is taken for the primary, and with the
/// same request id to another until there is an answer or the deadline has passed.
extension World {
    func nextCall(_ client: Int) {
        guard calls.count < scenario.operations || now < Scenario.span, now < Scenario.span + 3 * Scenario.second else {
            return
        }
        var slot = random.integer(0...slots.count - 1)
        if let rush, now < rush.until, random.chance(0.8) { slot = rush.slot }
        let choice = random.integer(0...9)
        let kind: ClientCall.Kind = choice < 6 ? .append : choice < 8 ? .read : .committedRead
        let call = ClientCall(
            number: calls.count + 1, client: client, kind: kind, slot: slot,
            channel: random.integer(0...SlotModel.channelCount - 1),
            request: RequestID(
                mintedMilliseconds: UInt64(1_700_000_000_000 + now / 1_000_000), random: UInt64(calls.count + 1)),
            destination: kind == .append && slots.count > 1 && random.chance(0.25)
                ? (slot + random.integer(1...slots.count - 1)) % slots.count : nil,
            invoked: now, deadline: now + random.span(6_000, 15_000))
        calls.append(call)
        send(call, to: choose(call))
    }

    /// When the client calls again.
    private func rest(_ client: Int) {
        let mean = Double(Scenario.span / 1_000_000) * Double(scenario.clients) / Double(scenario.operations)
        let isRushed = rush.map { now < $0.until } ?? false
        push(.nextCall(client: client), in: random.span(0, isRushed ? mean / 6 : mean * 1.2))
    }

    private func choose(_ call: ClientCall) -> Int {
        if random.chance(0.1) { return random.integer(0...nodes.count - 1) }
        if call.attempt == 0, let known = clients[call.client].primaries[call.slot] { return known }
        return coordinator.rows[call.slot].map { number(of: $0.primary) } ?? 0
    }

    func send(_ call: ClientCall, to node: Int) {
        guard call.answered == nil, now < call.deadline else {
            if call.answered == nil { rest(call.client) }
            return
        }
        call.attempt += 1
        if !random.chance(scenario.isHarsh ? 0.01 : 0.002) {
            push(.request(call, attempt: call.attempt, node: node), in: random.span(0.1, 2))
        }
        push(.attemptTimeout(call, attempt: call.attempt), in: random.span(800, 2_500))
    }

    func answer(_ call: ClientCall, _ answer: ClientAnswer, from node: Node) {
        self.answer(call, attempt: call.attempt, answer, from: node)
    }

    func answer(_ call: ClientCall, attempt: Int, _ answer: ClientAnswer, from node: Node) {
        if random.chance(scenario.isHarsh ? 0.02 : 0.005) { return }
        push(.answer(call, attempt: attempt, answer, from: node.index), in: random.span(0.1, 2))
    }

    func answered(_ call: ClientCall, _ attempt: Int, _ answer: ClientAnswer, _ from: Int) {
        guard call.answered == nil, now < call.deadline else { return }
        switch answer {
        case .appended(let remembered):
            call.answered = now
            call.version = remembered.version
            call.id = remembered.id
        case .contents(let version, let hash):
            call.answered = now
            call.version = version
            call.hash = hash
        case .moved(let hint):
            guard attempt == call.attempt else { return }
            clients[call.client].primaries[call.slot] = hint
            call.attempt += 1
            return push(.retry(call, node: hint ?? choose(call)), in: random.span(1, 150))
        case .unavailable, .interrupted:
            guard attempt == call.attempt else { return }
            call.attempt += 1
            return push(.retry(call, node: choose(call)), in: random.span(20, 300))
        }
        clients[call.client].primaries[call.slot] = from
        rest(call.client)
    }

    func attemptTimedOut(_ call: ClientCall, _ attempt: Int) {
        guard call.answered == nil, attempt == call.attempt else { return }
        clients[call.client].primaries[call.slot] = nil
        call.attempt += 1
        send(call, to: choose(call))
    }
}

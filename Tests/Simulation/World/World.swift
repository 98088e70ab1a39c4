import Identity
import Placement
import Replication

/// One run: a cluster of modelled machines around the real state machines, its clients, and what goes wrong, all from
/// one seed.
public final class World {
    public let seed: UInt64
    var random: SeededRandom
    private(set) var now: Int64 = 0
    var scenario: Scenario
    let limits = ReplicationLimits()
    let names: [NodeID]
    let slots: [Slot]
    var network: Network
    var coordinator: CoordinatorModel
    private(set) var nodes: [Node] = []
    private(set) var oracle: Oracle!
    var clients: [Client] = []
    var calls: [ClientCall] = []
    public internal(set) var totals = Totals()
    private var queue = EventQueue<Event>()
    /// Whether the trace also has each message about a slot.
    public var tracesMessages = false
    private let tracing: ((String) -> Void)?
    private var lastNumber = 0
    private var lastWatch: [Int64]
    /// By slot: who opened an epoch last, and to whom the slot was being handed over.
    private var opener: [Int?]
    var granted: [NodeID?]
    /// What healing has to undo, by the place of the fault.
    var blocked: [Int: [(Int, Int)]] = [:]
    var draining: Set<Int> = []
    /// The slot that clients call often, and until when.
    var rush: (slot: Int, until: Int64)?
    /// Snapshots come twice until then.
    var snapshotsTwiceUntil: Int64 = 0
    var ambush: Ambush?
    var isEnding = false

    /// - Parameter trace: gets a line for each thing that happens.
    public init(seed: UInt64, trace: ((String) -> Void)? = nil) {
        self.seed = seed
        var random = SeededRandom(seed: seed)
        scenario = Scenario(seed: seed, random: &random)
        self.random = random
        tracing = trace
        names = (0..<scenario.nodes).map { NodeID(rawValue: "n\($0)") ?? World.unnamed }
        slots = (0..<scenario.slots).map { Slot(truncating: UInt64($0)) }
        network = Network(nodes: scenario.nodes, isHarsh: scenario.isHarsh)
        coordinator = CoordinatorModel(slots: scenario.slots, nodes: scenario.nodes)
        lastWatch = Array(repeating: 0, count: scenario.nodes)
        opener = Array(repeating: nil, count: scenario.slots)
        granted = Array(repeating: nil, count: scenario.slots)
        oracle = Oracle(world: self, slots: scenario.slots)
        for index in names.indices { nodes.append(Node(world: self, index: index)) }
    }

    private static let unnamed = NodeID(rawValue: "unnamed")!

    // The names are n0, n1, …: one digit.
    func number(of node: NodeID) -> Int { Int(node.rawValue.utf8.last ?? 48) - 48 }
    func number(of slot: Slot) -> Int { Int(slot.rawValue) }

    func trace(_ text: @autoclosure () -> String) {
        guard let tracing else { return }
        let milliseconds = now / 1_000_000
        tracing("\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst()) \(text())")
    }

    func nextNumber() -> Int {
        lastNumber += 1
        return lastNumber
    }

    func push(_ event: Event, in span: Int64) { queue.push(event, at: now + span) }

    // MARK: The run

    /// - Throws: ``Violation``.
    public func run() throws(Violation) {
        begin()
        while let (time, event) = queue.pop() {
            now = time
            if let node = event.node, nodes[node].isPaused {
                nodes[node].backlog.append(event)
                continue
            }
            handle(event)
            if let violation = oracle.violation { throw violation }
            if isEnding { break }
        }
        Histories.check(self)
        totals.seeds = 1
        totals.virtualSeconds = Int(now / Scenario.second)
        totals.faults = scenario.faults.count
        totals.operations = calls.count
        totals.answered = calls.count { $0.answered != nil }
        totals.unknown = totals.operations - totals.answered
        for slot in slots.indices { totals.events += oracle.events[slot].count }
        if let violation = oracle.violation { throw violation }
    }

    private func begin() {
        for slot in slots.indices {
            let first = random.integer(0...names.count - 1)
            let target = (0..<min(3, names.count)).map { names[(first + $0) % names.count] }
            coordinator.rows[slot] = ShardMapRow(
                slot: slots[slot], epoch: Epoch(rawValue: 1), primary: names[first], inSync: [names[first]],
                target: target)
        }
        for node in nodes { node.start() }
        for client in 0..<scenario.clients {
            clients.append(Client(number: client))
            push(.nextCall(client: client), in: random.span(3_000, 5_000))
        }
        for (place, fault) in scenario.faults.enumerated() { queue.push(.fault(place), at: fault.time) }
        push(.control, in: 5 * Scenario.second)
        queue.push(.check, at: Scenario.span)
    }

    private func handle(_ event: Event) {
        switch event {
        case .tick(let node, let life): if isLive(node, life) { nodes[node].tick() }
        case .message(let from, let to, let connection, let message):
            guard nodes[to].isUp, network.arrives(from: from, to: to, connection: connection) else { return }
            if tracesMessages, let brief = message.brief { trace("\(from)→\(to) \(brief)") }
            nodes[to].received(message, from: from)
        case .logWritten(let node, let life): if isLive(node, life) { nodes[node].logWritten() }
        case .coordinatorCall(let call): perform(call)
        case .coordinatorAnswer(let call, let row):
            guard isLive(call.node, call.life) else { return }
            if call.swap == nil { return nodes[call.node].rowArrived(row) }
            nodes[call.node].swapSettled(call, current: row)
        case .watch(let node, let row): if nodes[node].isUp { nodes[node].rowArrived(row) }
        case .swapTimeout(let node, let life, let number): if isLive(node, life) { nodes[node].swapTimedOut(number) }
        case .snapshotTimeout(let node, let life, let slot, let to):
            guard isLive(node, life), let host = nodes[node].hosts[slot] else { return }
            host.replica.snapshotFailed(to: names[to], now: nodes[node].bootTime)
        case .nextCall(let client): nextCall(client)
        case .request(let call, let attempt, let node):
            if nodes[node].isUp { nodes[node].request(call, attempt: attempt) }
        case .answer(let call, let attempt, let answer, let from): answered(call, attempt, answer, from)
        case .attemptTimeout(let call, let attempt): attemptTimedOut(call, attempt)
        case .retry(let call, let node): send(call, to: node)
        case .fault(let place): begin(place)
        case .heal(let place): heal(place)
        case .restart(let node): restart(node)
        case .resume(let node): resume(node)
        case .reconnect(let one, let other): reconnect(one, other)
        case .control: control()
        case .check: check()
        }
    }

    private func isLive(_ node: Int, _ life: UInt64) -> Bool { nodes[node].isUp && nodes[node].life == life }

    func opened(_ slot: Int, by node: Node, epoch: Epoch) {
        oracle.opened(slot, epoch, by: node)
        if let last = opener[slot] {
            if granted[slot] == node.id { totals.handOvers += 1 } else if last != node.index { totals.failovers += 1 }
        }
        trace("node \(node.index) slot \(slot): opens \(epoch)")
        opener[slot] = node.index
        granted[slot] = nil
    }

    // MARK: Messages

    func send(_ message: NodeMessage, from: Int, to: Int, after delay: Int64 = 0) {
        if from == to {
            return push(.message(from: from, to: to, connection: 0, message), in: random.span(0.05, 0.5))
        }
        for (time, connection) in network.send(from: from, to: to, now: now, &random) {
            queue.push(.message(from: from, to: to, connection: connection, message), at: time + delay)
        }
        if network.isBroken(from, to), !reconnecting.contains(pair(from, to)) {
            reconnecting.insert(pair(from, to))
            push(.reconnect(from, to), in: random.span(50, 800))
        }
    }

    private var reconnecting: Set<Int> = []
    private func pair(_ one: Int, _ other: Int) -> Int { min(one, other) * 16 + max(one, other) }

    func reconnect(_ one: Int, _ other: Int) {
        // A process that stands still shakes no hands.
        guard [one, other].allSatisfy({ nodes[$0].isUp && !nodes[$0].isPaused }), network.connect(one, other) else {
            return push(.reconnect(one, other), in: random.span(100, 600))
        }
        reconnecting.remove(pair(one, other))
        tellReconnected(one, other)
        tellReconnected(other, one)
    }

    func tellReconnected(_ node: Int, _ peer: Int) {
        for host in nodes[node].hosts {
            guard let host else { continue }
            host.replica.reconnected(names[peer], now: nodes[node].bootTime)
            nodes[node].settle(host)
        }
    }

    // MARK: The coordinator

    func askRow(_ slot: Int, for node: Node) {
        sendToCoordinator(
            CoordinatorCall(node: node.index, life: node.life, slot: slot, swap: nil, number: nextNumber()))
    }

    func sendToCoordinator(_ call: CoordinatorCall) {
        var delay = random.span(0.5, 4)
        let isAway = now < coordinator.awayUntil || now < coordinator.lostUntil[call.node]
        if isAway {
            guard call.swap == nil else { return }
            // Reads are tried until they succeed.
            delay += max(coordinator.awayUntil, coordinator.lostUntil[call.node]) - now
        } else if now < coordinator.losesOutcomesUntil, call.swap != nil, random.chance(0.3) {
            totals.lateSwaps += 1
            delay += random.span(200, 4_000)
        }
        delay = max(delay, coordinator.pausedUntil - now)
        push(.coordinatorCall(call), in: delay)
    }

    private func perform(_ call: CoordinatorCall) {
        if let swap = call.swap {
            call.isDone = true
            if coordinator.swap(call.slot, swap) { changed(call.slot, from: swap.expected) }
            if now < coordinator.losesOutcomesUntil, random.chance(0.4) { return }
        }
        guard let row = coordinator.rows[call.slot] else { return }
        if now < coordinator.lostUntil[call.node] {
            // The read is tried again: the node may have lost its connection anew since the last time.
            if call.swap == nil, isLive(call.node, call.life) { sendToCoordinator(call) }
            return
        }
        push(.coordinatorAnswer(call, row), in: random.span(0.5, 4))
    }

    func changed(_ slot: Int, from old: ShardMapRow) {
        guard let row = coordinator.rows[slot] else { return }
        trace("slot \(slot) row \(row.brief)")
        if !old.target.isEmpty, row.target.isEmpty { totals.moves += 1 }
        oracle.checkMembers(slot, "change of the row to \(row.brief)")
        for node in nodes.indices {
            let from = max(now, coordinator.awayUntil, coordinator.lostUntil[node])
            // A watch that has to be set up again, or whose server lags, tells its news late.
            let delay = random.chance(0.1) ? random.span(10, 2_500) : random.span(0.5, 10)
            let time = max(lastWatch[node] + 1, from + delay)
            lastWatch[node] = time
            queue.push(.watch(node: node, row), at: time)
        }
    }

    // MARK: Processes

    func restart(_ node: Int) {
        guard !nodes[node].isUp else { return }
        trace("node \(node) starts")
        nodes[node].start()
        for peer in nodes.indices where peer != node && nodes[peer].isUp {
            network.breakConnection(node, peer)
            if !reconnecting.contains(pair(node, peer)) {
                reconnecting.insert(pair(node, peer))
                push(.reconnect(node, peer), in: random.span(5, 200))
            }
        }
    }

    func resume(_ node: Int) {
        guard nodes[node].isPaused else { return }
        trace("node \(node) goes on")
        nodes[node].isPaused = false
        var backlog = nodes[node].backlog
        nodes[node].backlog = []
        if random.chance(0.5) {
            // Timers before what came in, or after it.
            func isTick(_ event: Event) -> Bool { if case .tick = event { true } else { false } }
            backlog = backlog.filter(isTick) + backlog.filter { !isTick($0) }
        }
        // The watch's connection is over as often as not.
        let watchDelay = random.chance(0.5) ? random.span(1, 2_500) : 0
        for event in backlog {
            guard case .watch = event else {
                queue.push(event, at: now)
                continue
            }
            lastWatch[node] = max(lastWatch[node], now + watchDelay) + 1
            queue.push(event, at: lastWatch[node])
        }
    }
}

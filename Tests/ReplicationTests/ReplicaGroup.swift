import Identity
import Placement
import Replication

/// Replicas of one slot on nodes a to d, with disks that write at once, a network without delay, and a coordinator whose
/// swaps can be held back. Time passes only by ``pass(_:)``.
struct ReplicaGroup {
    struct Member {
        var replica: ReplicaSlot
        var liveness: PeerLiveness
        /// What lies in the log, and of it what the node has applied.
        var log: [LogPosition] = []
        var base = LogPosition.start
        var knownEpoch: Epoch?
        var last: LogPosition { log.last ?? base }
    }

    static let a = NodeID(rawValue: "a")!
    static let b = NodeID(rawValue: "b")!
    static let c = NodeID(rawValue: "c")!
    static let d = NodeID(rawValue: "d")!
    static let slot = Slot(truncating: 3)

    let limits = ReplicationLimits()
    var now = BootTime(nanoseconds: 1_000_000_000_000)
    var members: [NodeID: Member] = [:]
    var row: ShardMapRow
    /// From, to: what is sent is lost.
    var cut: Set<[NodeID]> = []
    var down: Set<NodeID> = []
    /// Swaps do not reach the coordinator while this is set; see ``releaseSwaps()``.
    var holdsSwaps = false
    var held: [(node: NodeID, swap: RowSwap)] = []
    /// Whether the disks say when they have written.
    var stalled: Set<NodeID> = []
    private var lives: UInt64 = 0
    private let nodes: [NodeID]

    init(_ row: ShardMapRow, nodes: [NodeID] = [a, b, c]) {
        self.row = row
        self.nodes = nodes
        for node in nodes { start(node) }
        for node in nodes { tell(node) }
    }

    static func row(
        epoch: UInt64 = 4, primary: NodeID = a, inSync: [NodeID] = [a, b, c], eligible: [NodeID] = [],
        learners: [NodeID] = [], minimum: Int = 2, target: [NodeID] = []
    ) -> ShardMapRow {
        ShardMapRow(
            slot: slot, epoch: Epoch(rawValue: epoch), primary: primary, inSync: inSync, eligible: eligible,
            learners: learners, minimum: minimum, target: target)
    }

    /// A new process on the node's disk, which holds the slot as a member unless it is wiped.
    mutating func start(_ node: NodeID, wiped: Bool = false) {
        lives += 1
        var log = EpochSpans(base: members[node]?.base ?? .start)
        let kept = wiped ? nil : members[node]
        for position in kept?.log ?? [] { log.append(position) }
        let known = wiped ? nil : kept.map { $0.knownEpoch } ?? Epoch(rawValue: 1)
        if wiped { log = EpochSpans(base: .start) }
        let applied = kept?.replica.appliedIndex ?? .zero
        members[node] = Member(
            replica: ReplicaSlot(
                slot: Self.slot, node: node, life: lives,
                disk: .init(log: log, appliedIndex: applied, commitIndex: applied, knownEpoch: known), limits: limits),
            liveness: PeerLiveness(node: node, life: lives, limits: limits, now: now),
            log: kept?.log ?? [], base: wiped ? .start : kept?.base ?? .start, knownEpoch: known)
        members[node]!.liveness.setPeers([Self.a, Self.b, Self.c, Self.d], now: now)
        down.remove(node)
    }

    mutating func tell(_ node: NodeID) {
        // Whom a row names anew has nothing of the slot.
        if members[node] == nil, row.holders.contains(node) { start(node, wiped: true) }
        guard !down.contains(node), members[node] != nil else { return }
        members[node]!.liveness.raiseFloor(of: Self.slot, to: row.epoch, holder: row.primary)
        members[node]!.replica.rowChanged(row, now: now)
        settle(node)
    }

    // MARK: What tests do

    subscript(node: NodeID) -> ReplicaSlot { members[node]!.replica }

    func serves(_ node: NodeID) -> Bool { members[node]!.replica.mayServe(now: now) }

    mutating func propose(at node: NodeID) throws -> LogPosition {
        let position = try members[node]!.replica.propose()
        write([position], at: node)
        members[node]!.replica.pump(now: now)
        settle(node)
        return position
    }

    mutating func pass(_ duration: Duration) {
        let end = now + duration
        while now < end {
            now = now + .milliseconds(50)
            for node in members.keys.sorted() where !down.contains(node) && members[node] != nil { tick(node) }
        }
    }

    /// The first held swap reaches the coordinator; its outcome is told unless `silently`.
    mutating func releaseSwaps(silently: Bool = false) {
        let swaps = held
        held = []
        holdsSwaps = false
        for (node, swap) in swaps { perform(swap, of: node, silently: silently) }
    }

    mutating func isolate(_ node: NodeID) {
        for other in members.keys where other != node { cut.formUnion([[node, other], [other, node]]) }
    }

    mutating func setTarget(_ target: [NodeID]) {
        row.target = target
        row.epoch = row.epoch.next
        tellAll()
    }

    mutating func trim(_ node: NodeID) {
        let limit = members[node]!.replica.trimLimit
        members[node]!.replica.trimmed(through: limit)
        while let first = members[node]!.log.first, first.index <= limit {
            members[node]!.base = first
            members[node]!.log.removeFirst()
        }
    }

    // MARK: The surroundings

    private mutating func tick(_ node: NodeID) {
        let replica = members[node]!.replica
        let claim = PeerLiveness.Claim(slot: Self.slot, epoch: replica.primaryEpoch)
        let claimed = replica.claimedFrom
        for (to, beacon) in members[node]!.liveness.beacons({ claimed.contains($0) ? [claim] : [] }, now: now) {
            guard reaches(node, to) else { continue }
            let reply = members[to]!.liveness.received(beacon, from: node, now: now)
            if reaches(to, node) { members[node]!.liveness.answered(by: to, reply, now: now) }
        }
        members[node]!.replica.peers = members[node]!.liveness.view(now: now)
        let campaignTime = members[node]!.liveness.campaignTime(for: Self.slot)
        members[node]!.replica.tick(now: now, campaignTime: campaignTime)
        settle(node)
    }

    private func reaches(_ from: NodeID, _ to: NodeID) -> Bool {
        members[to] != nil && !down.contains(to) && !down.contains(from) && !cut.contains([from, to])
    }

    private mutating func write(_ positions: [LogPosition], at node: NodeID) {
        members[node]!.log += positions
        guard let last = positions.last, !stalled.contains(node) else { return }
        let generation = members[node]!.replica.generation
        members[node]!.replica.durable(through: last.index, generation: generation)
    }

    mutating func settle(_ node: NodeID, arrived: [LogPosition] = []) {
        while true {
            guard let actions = members[node]?.replica.takeActions(), !actions.isEmpty else { return }
            for action in actions { perform(action, at: node, arrived) }
        }
    }

    private mutating func perform(_ action: ReplicaSlot.Action, at node: NodeID, _ arrived: [LogPosition]) {
        switch action {
        case .truncate(let index): members[node]!.log.removeAll { $0.index >= index }
        case .persist(let range): write(Array(arrived[range]), at: node)
        case .open(let position): write([position], at: node)
        case .append(let order):
            guard reaches(node, order.to) else { return }
            let positions = members[node]!.log.filter { $0.index > order.previous.index && $0.index <= order.through }
            let head = AppendHead(
                epoch: order.epoch, previous: order.previous, commitIndex: order.commitIndex, positions: positions)
            members[order.to]!.replica.received(head, from: node, now: now)
            settle(order.to, arrived: positions)
        case .reply(let to, let reply):
            guard reaches(node, to) else { return }
            members[to]!.replica.received(reply, from: node, now: now)
            settle(to)
        case .apply(let through): _ = members[node]!.replica.applied(through: through)
        case .noteEpoch(let epoch):
            members[node]!.knownEpoch = epoch
            members[node]!.replica.noted(epoch, now: now)
        case .admit(let to, let epoch, let life):
            guard reaches(node, to) else { return }
            members[to]!.replica.receivedAdmission(epoch, life: life, from: node)
            settle(to)
        case .handOver(let to, let epoch):
            guard reaches(node, to) else { return }
            members[to]!.replica.receivedHandOver(epoch, from: node, now: now)
            settle(to)
        case .campaign(let swap):
            if members[node]!.liveness.mayCampaign(for: Self.slot, epoch: swap.new.epoch, now: now) {
                members[node]!.replica.campaignAllowed(swap)
            } else {
                members[node]!.replica.campaignRefused(swap)
            }
        case .swap(let swap):
            if holdsSwaps { held.append((node, swap)) } else { perform(swap, of: node, silently: false) }
        case .sendSnapshot(let to): sendSnapshot(from: node, to: to)
        case .refreshRow: tell(node)
        case .drop: members[node] = nil
        case .retire, .wipe: break
        }
    }

    private mutating func perform(_ swap: RowSwap, of node: NodeID, silently: Bool) {
        if row == swap.expected { row = swap.new }
        if silently { return }
        if !down.contains(node), members[node] != nil {
            members[node]!.replica.swapSettled(swap, current: row, now: now)
            settle(node)
        }
        tellAll()
    }

    mutating func tellAll() { for node in nodes { tell(node) } }

    private mutating func sendSnapshot(from node: NodeID, to: NodeID) {
        let source = members[node]!
        let position =
            ([source.base] + source.log).last { $0.index <= source.replica.appliedIndex } ?? source.base
        guard reaches(node, to),
            members[to]!.replica.takesSnapshot(from: node, epoch: source.replica.primaryEpoch, at: position)
        else { return members[node]!.replica.snapshotFailed(to: to, now: now) }
        members[to]!.replica.installing()
        members[to]!.log = []
        members[to]!.base = position
        members[to]!.knownEpoch = nil
        members[to]!.replica.installed(at: position)
        members[node]!.replica.snapshotSent(to: to, at: position, now: now)
    }
}

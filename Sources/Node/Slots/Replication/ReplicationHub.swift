import Identity
import Logging
import NIOCore
import Placement
import Replication
import Transport

/// What the slots of a node share in replication: which peers live, the leases and promises, the streams to them. Lives
/// on an event loop of its own, so that beacons do not wait behind the slots' work; ``ReplicationPost`` is the way in.
final class ReplicationHub {
    /// How often is looked whether beacons or connections are due.
    static let tick = TimeAmount.milliseconds(50)
    /// How long a node with a wrong clock may take to give its slots away in good order; then it asks for no lease any
    /// more, and the others take them.
    static let retreatPatience: Duration = .seconds(3)

    private let node: NodeID
    private let logger: Logger
    private let connections: PeerConnections?
    private var liveness: PeerLiveness
    private var claims: [Int: Claims] = [:]
    private var addresses: [NodeID: NodeAddress] = [:]
    /// Nodes that rows name.
    private var holders: Set<NodeID> = []
    private var lastHealth: [NodeID: PeerLiveness.Health] = [:]
    private var lastNews = BootTime.distantPast
    private let post: (PeerNews) -> Void
    private let clock: WallClock
    private var clockGuard = ClockGuard()
    private var wrongSince: BootTime?
    /// Told when the clock is judged anew.
    private let clockJudged: (ClockGuard.Verdict) -> Void
    private var ticks: RepeatedTask?

    init(
        loop: any EventLoop, node: NodeID, life: UInt64, limits: ReplicationLimits, client: (any CallClient)?,
        logger: Logger,
        clock: WallClock, opened: @escaping (NodeID, any TransportStream) -> Void,
        post: @escaping (PeerNews) -> Void, clockJudged: @escaping (ClockGuard.Verdict) -> Void
    ) {
        self.clock = clock
        self.clockJudged = clockJudged
        self.node = node
        self.logger = logger
        self.post = post
        connections = client.map { PeerConnections(loop: loop, client: $0, logger: logger, opened: opened) }
        liveness = PeerLiveness(node: node, life: life, limits: limits, now: .now())
        let bound = NIOLoopBound(self, eventLoop: loop)
        ticks = loop.scheduleRepeatedTask(initialDelay: .zero, delay: ReplicationHub.tick) { _ in bound.value.look() }
    }

    /// - Returns: when nothing comes to this loop any more.
    func close(on loop: any EventLoop) -> EventLoopFuture<Void> {
        ticks?.cancel()
        return connections?.close() ?? loop.makeSucceededVoidFuture()
    }

    // MARK: Who there is

    /// The guild nodes as the coordinator lists them. One that is gone from there counts on as long as rows name it:
    /// the coordinator's leases serve membership only.
    func nodesChanged(_ nodes: [NodeRecord]) {
        let guilds = nodes.filter { $0.roles.contains(.guild) && $0.canReplicate && $0.id != node }
        for record in guilds {
            addresses[record.id] = NodeAddress(node: record.id, host: record.host, port: record.port)
        }
        let listed = Set(guilds.map(\.id))
        for id in addresses.keys where !listed.contains(id) && !holders.contains(id) { addresses[id] = nil }
        liveness.setPeers(Set(addresses.keys), now: .now())
        connections?.setPeers(addresses)
    }

    /// What the disk has seen before this process: it may have been primary in such an epoch, and lets nobody serve by an
    /// earlier one.
    func epochsKnown(_ epochs: [Slot: Epoch]) {
        for (slot, epoch) in epochs { liveness.raiseFloor(of: slot, to: epoch, holder: nil) }
    }

    func rowsChanged(_ rows: [ShardMapRow]) {
        for row in rows {
            liveness.raiseFloor(of: row.slot, to: row.epoch, holder: row.primary)
            for holder in row.holders { holders.insert(holder) }
        }
    }

    // MARK: Beacons

    func setClaims(_ claims: Claims, of executor: Int) { self.claims[executor] = claims }

    /// Tells claims at once that ``setClaims(_:of:)`` will hold.
    func tellNewClaims(_ claims: Claims) {
        guard wrongSince == nil else { return }
        let now = BootTime.now()
        for (id, new) in claims {
            guard let beacon = liveness.beacon(to: id, newClaims: new, now: now) else { continue }
            send(.beacon(beacon), to: id)
        }
    }

    private func look() {
        let now = BootTime.now()
        connections?.openAll()
        let mayClaim = wrongSince.map { now - $0 < ReplicationHub.retreatPatience } ?? true
        let due = liveness.beacons({ id in mayClaim ? claims.values.flatMap { $0[id] ?? [] } : [] }, now: now)
        for (id, beacon) in due { send(.beacon(beacon), to: id) }
        if let verdict = clockGuard.judge(now: now) { tell(verdict) }
        // Health changes with time alone.
        var health: [NodeID: PeerLiveness.Health] = [:]
        for id in addresses.keys { health[id] = liveness.health(of: id, now: now) }
        if health != lastHealth {
            for (id, state) in health where state != lastHealth[id] {
                logger.info("a guild node's health", metadata: ["peer": "\(id)", "health": "\(state)"])
            }
            lastHealth = health
            postNews(now)
        } else if now - lastNews >= .milliseconds(250) {
            postNews(now)
        }
    }

    func received(_ message: ReplicationMessage, from id: NodeID) {
        let now = BootTime.now()
        switch message {
        case .beacon(let beacon):
            var reply = liveness.received(beacon, from: id, now: now)
            reply.clock = clock.now()
            send(.beaconReply(reply), to: id)
        case .beaconReply(let reply):
            let roundTrip = liveness.answered(by: id, reply, now: now)
            if let roundTrip, let theirs = reply.clock {
                clockGuard.heard(from: id, theirs: theirs, ours: clock.now(), roundTrip: roundTrip, now: now)
            }
            postNews(now)
        default: break
        }
    }

    private func tell(_ verdict: ClockGuard.Verdict) {
        switch verdict {
        case .believed:
            wrongSince = nil
            logger.notice("this node's clock agrees with its peers' again")
        case .wrong(let ahead):
            wrongSince = wrongSince ?? .now()
            logger.critical(
                "this node's clock is wrong: it is to be primary of nothing until the clock is set",
                metadata: [
                    "ahead_ms": "\(ahead.milliseconds)",
                    "peers_ahead_ms": "\(clockGuard.differences.mapValues(\.milliseconds))",
                ])
        }
        clockJudged(verdict)
    }

    private func send(_ message: ReplicationMessage, to id: NodeID) {
        guard let stream = connections?.stream(to: id, .control) else { return }
        if !stream.send(ReplicationBatch([message]).encoded()) { stream.close("the stream's queue is full") }
    }

    private func postNews(_ now: BootTime) {
        lastNews = now
        post(
            PeerNews(view: liveness.view(now: now), campaignTimes: Slot.all.map { liveness.campaignTime(for: $0) }))
    }

    // MARK: Campaigns

    /// - Returns: those that may be tried now. From then on nothing older is promised to others.
    func allowed(_ campaigns: [RowSwap]) -> (allowed: [RowSwap], refused: [RowSwap]) {
        guard case .believed = clockGuard.verdict else { return ([], campaigns) }
        let now = BootTime.now()
        var allowed: [RowSwap] = []
        var refused: [RowSwap] = []
        for campaign in campaigns {
            if liveness.mayCampaign(for: campaign.new.slot, epoch: campaign.new.epoch, now: now) {
                allowed.append(campaign)
            } else {
                refused.append(campaign)
            }
        }
        if !allowed.isEmpty {
            logger.info(
                "campaigning for slots",
                metadata: ["slots": "\(allowed.count)", "first": "\(allowed[0].new.slot)"])
        }
        return (allowed, refused)
    }
}

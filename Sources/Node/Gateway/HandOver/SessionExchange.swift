import Identity
import Logging
import NIOCore
import Placement
import Routing
import Transport
import Wire

/// Where sessions are, and how they pass between loops and gateways: pulled by a RESUME, pushed by a drain, rebuilt from
/// a journal after a crash. On one NIO event loop.
actor SessionExchange {
    /// How many gateways a RESUME follows a session through.
    static let maximumHops = 8
    /// How many gateways are asked for a session when the one that made it does not know.
    static let maximumAsked = 32
    /// How long one gateway may take to answer.
    static let pullDeadline = TimeAmount.seconds(3)
    /// A RESUME whose session's gateway may be lost, or not, asks again after so long, and gives up in the end.
    static let searchInterval = Duration.milliseconds(250)
    /// Longer than a lost gateway is listed: till then its silence may hide a session.
    static let searchTime = TimeAmount.seconds(15)
    static let pushDeadline = TimeAmount.seconds(3)
    /// How many peers are tried for one session that is handed over.
    static let maximumPeers = 3

    private nonisolated let eventLoop: any EventLoop
    private nonisolated let executor: any SerialExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let node: NodeID
    private let client: any CallClient
    private let view: any ClusterView
    private let keeper: JournalKeeper
    private let metrics: GatewayMetrics
    private let logger: Logger
    private var loops: [any LoopPost] = []
    private var directory = SessionDirectory()
    /// Who waits for a session that is on its way to a peer.
    private var waiters: [SessionID: [CheckedContinuation<Void, Never>]] = [:]
    private var nextLoop = 0
    private var isLeaving = false

    private enum Input: Sendable {
        case began(SessionID, loop: Int)
        case ended(SessionID, loop: Int)
        case leaving(SessionID, loop: Int)
    }
    private nonisolated let inputs = BatchQueue<Input>()

    init(
        node: NodeID, client: any CallClient, view: any ClusterView, keeper: JournalKeeper, metrics: GatewayMetrics,
        eventLoop: any EventLoop, logger: Logger
    ) {
        self.node = node
        self.client = client
        self.view = view
        self.keeper = keeper
        self.metrics = metrics
        self.eventLoop = eventLoop
        self.logger = logger
        executor = eventLoop.executor
    }

    /// - Parameter loops: in the order of their numbers.
    func start(_ loops: [any LoopPost]) { self.loops = loops }

    // MARK: What loops say

    private nonisolated func enqueue(_ input: Input) {
        inputs.append(input) {
            eventLoop.execute { self.assumeIsolated { $0.drainInputs() } }
        }
    }

    nonisolated func sessionBegan(_ id: SessionID, loop: Int) { enqueue(.began(id, loop: loop)) }
    nonisolated func sessionEnded(_ id: SessionID, loop: Int) { enqueue(.ended(id, loop: loop)) }
    nonisolated func sessionLeaves(_ id: SessionID, loop: Int) { enqueue(.leaving(id, loop: loop)) }

    private func drainInputs() {
        for input in inputs.takeAll() {
            switch input {
            case .began(let id, let loop):
                directory.began(id, on: loop)
                settle(id)
            case .ended(let id, let loop): directory.ended(id, on: loop)
            case .leaving(let id, let loop): directory.leaving(id, from: loop)
            }
        }
    }

    private func place(of id: SessionID) -> SessionDirectory.Place? {
        drainInputs()
        return directory.place(of: id)
    }

    // MARK: RESUME

    /// Finds a session wherever it is, takes it from there, and gives it to a loop.
    nonisolated func resume(_ id: SessionID, _ token: Token, sequence: Int, loop: Int, connection: UInt64) {
        Task {
            let request = PullSessionRequest(id: id, token: token, taker: self.node, sequence: sequence)
            let record = await self.search(request)
            await self.answer(.resumed(connection: connection, record), of: id, loop: loop)
        }
    }

    private func answer(_ message: LoopMessage, of id: SessionID, loop: Int) {
        loops[loop].post(message)
        guard case .resumed(_, nil) = message else { return }
        // Whoever waited for the doubtful copy waits for nothing.
        directory.lost(id)
        settle(id)
    }

    private func search(_ request: PullSessionRequest) async -> SessionRecord? {
        let end = NIODeadline.now() + SessionExchange.searchTime
        var round = SearchRound(node: node)
        while true {
            if let record = await pull(request, &round) { return record }
            // Whoever asks for it meanwhile waits.
            if round.doubtful != nil { directory.sought(request.id) }
            if let record = await recover(request, &round) { return record }
            // The gateway may be lost, and its buddy or the coordinator not have heard of it.
            guard round.isUncertain else { return round.settled }
            guard NIODeadline.now() < end else { return nil }
            try? await Task.sleep(for: SessionExchange.searchInterval)
            round.again(at: node)
        }
    }

    /// What one round of asking has found out.
    private struct SearchRound {
        var asked: Set<NodeID>
        /// Journals that can rebuild the session.
        var offers: [(node: NodeID, generation: Int)] = []
        /// A journal has the session and believes its gateway alive.
        var isGuarded = false
        /// A gateway did not answer.
        var isSilent = false
        /// The best of the copies that may have been rebuilt elsewhere; what was found in earlier rounds stays.
        private(set) var doubtful: SessionRecord?

        init(node: NodeID) { asked = [node] }

        mutating func again(at node: NodeID) {
            asked = [node]
            offers = []
            isGuarded = false
            isSilent = false
        }

        /// Whether there may be a better copy than what was found.
        var isUncertain: Bool { isGuarded || (isSilent && doubtful != nil) }

        /// - Returns: the session, if no other copy can be the right one.
        mutating func accept(_ record: SessionRecord) -> SessionRecord? {
            if !record.isDoubtful, record.generation >= doubtful?.generation ?? 0 { return record }
            if record.generation >= doubtful?.generation ?? 0 { doubtful = record }
            return nil
        }

        /// The doubtful copy, now that nobody has a better one; it goes before any that comes to light later.
        var settled: SessionRecord? {
            guard var record = doubtful else { return nil }
            record.isDoubtful = false
            record.generation += 1
            return record
        }
    }

    /// Takes the session from where it lives.
    private func pull(_ request: PullSessionRequest, _ round: inout SearchRound) async -> SessionRecord? {
        var next: NodeID?
        switch round.doubtful == nil ? await settledPlace(of: request.id) : nil {
        case .loop(let owner)?:
            if let record = await export(request, from: owner), let right = round.accept(record) { return right }
        case .moved(let taker)?: next = taker
        case .leaving?, nil: next = request.id.origin
        }
        var hops = 0
        while let target = next, hops < SessionExchange.maximumHops, round.asked.insert(target).inserted {
            hops += 1
            next = nil
            switch await ask(target, request, &round) {
            case .session(let record)?: if let right = round.accept(record) { return right }
            // It has come here in the meantime.
            case .moved(node)?:
                if round.doubtful == nil, case .loop(let owner)? = await settledPlace(of: request.id),
                    let record = await export(request, from: owner), let right = round.accept(record)
                {
                    return right
                }
            case .moved(let taker)?: next = taker
            case .unknown?, .journaled?, .guarded?, nil: break
            }
        }
        // Where the session began nobody knows of it any more: it was handed over, or is lost.
        let others = GatewayOrder.successors(of: request.id, among: view.nodes)
        for other in others.prefix(SessionExchange.maximumAsked) where round.asked.insert(other.id).inserted {
            if case .session(let record)? = await ask(other.id, request, &round), let right = round.accept(record) {
                return right
            }
        }
        return nil
    }

    private func ask(
        _ target: NodeID, _ request: PullSessionRequest, _ round: inout SearchRound
    ) async -> PullSessionReply? {
        guard let record = view.node(target) else { return nil }
        let address = NodeAddress(node: target, host: record.host, port: record.port)
        let answer = try? await client.call(
            .pullSession, body: request.encoded(), to: address, lane: .request,
            deadline: .now() + SessionExchange.pullDeadline)
        let reply = answer.flatMap { try? PullSessionReply(decoding: $0) }
        switch reply {
        case .journaled(let generation)?: round.offers.append((target, generation))
        case .guarded?: round.isGuarded = true
        case nil: round.isSilent = true
        default: break
        }
        return reply
    }

    /// Rebuilds a session of a lost gateway from the best of the journals; the others forget it.
    private func recover(_ request: PullSessionRequest, _ round: inout SearchRound) async -> SessionRecord? {
        switch await keeper.find(request) {
        case .journaled(let generation): round.offers.append((node, generation))
        case .guarded: round.isGuarded = true
        default: break
        }
        // While one gateway may still have the session, nobody else gets it.
        guard !round.isUncertain, let best = round.offers.max(by: { $0.generation < $1.generation }) else { return nil }
        if let doubtful = round.doubtful {
            guard best.generation > doubtful.generation else { return nil }
            // Should that one not be had, the doubtful one is not right for it.
            round.isGuarded = true
        }
        var request = request
        request.kind = .journaled
        let reply = best.node == node ? await keeper.find(request) : await ask(best.node, request, &round)
        guard case .session(let record)? = reply else { return nil }
        metrics.recovered()
        logger.info("a session is rebuilt from its journal", metadata: ["journal": "\(best.node)"])
        request.kind = .forget
        await keeper.forget(request.id)
        for offer in round.offers where offer.node != node && offer.node != best.node {
            _ = await ask(offer.node, request, &round)
        }
        return record
    }

    // MARK: Giving

    private func settledPlace(of id: SessionID) async -> SessionDirectory.Place? {
        while place(of: id) == .leaving { await withCheckedContinuation { waiters[id, default: []].append($0) } }
        return directory.place(of: id)
    }

    private func export(_ request: PullSessionRequest, from loop: Int) async -> SessionRecord? {
        await withCheckedContinuation { continuation in
            loops[loop].post(.export(request.id, request.token, reply: { continuation.resume(returning: $0) }))
        }
    }

    /// Another gateway asks for a session.
    func give(_ request: PullSessionRequest) async -> PullSessionReply {
        switch request.kind {
        case .forget:
            await keeper.forget(request.id)
            return .unknown
        case .journaled: return await keeper.find(request)
        case .session: break
        }
        // Once more if it was handed over, or another taker was quicker, at this very moment.
        for _ in 0..<3 {
            switch await settledPlace(of: request.id) {
            case .moved(let node)?: return .moved(node)
            case .leaving?: continue
            case nil: return await keeper.find(request)
            case .loop(let loop)?:
                guard let record = await export(request, from: loop) else { continue }
                directory.moved(request.id, to: request.taker)
                return .session(record)
            }
        }
        return .unknown
    }

    // MARK: Drain

    /// A peer that drains gives a session. It is taken once it lives on a loop, so that who is told of it finds it.
    func take(_ record: SessionRecord) async -> Bool {
        guard !isLeaving, !loops.isEmpty else { return false }
        return await place(record)
    }

    private func place(_ record: SessionRecord) async -> Bool {
        var loop = nextLoop % loops.count
        nextLoop += 1
        // Beside an older copy of it, which gives way there.
        if case .loop(let present)? = place(of: record.id) { loop = present }
        let isTaken = await withCheckedContinuation { continuation in
            loops[loop].post(.take(record, reply: { continuation.resume(returning: $0) }))
        }
        drainInputs()
        return isTaken
    }

    /// Whether somebody could take sessions over.
    var hasPeers: Bool { view.node(node)?.canReplicate != false && view.nodes.contains { isPeer($0) } }

    /// Whether clients could come back to another gateway, of whatever version, which then pulls their sessions.
    var hasPullers: Bool {
        view.nodes.contains { $0.id != node && $0.roles.contains(.gateway) && !$0.isDraining }
    }

    private func isPeer(_ record: NodeRecord) -> Bool {
        record.id != node && record.roles.contains(.gateway) && !record.isDraining && record.canReplicate
    }

    /// Hands up to `limit` sessions of each loop over to peers.
    ///
    /// - Returns: how many have left.
    func handOver(limit: Int) async -> Int {
        var records: [SessionRecord] = []
        for loop in loops {
            records += await withCheckedContinuation { continuation in
                loop.post(.handOver(limit: limit, reply: { continuation.resume(returning: $0) }))
            }
        }
        drainInputs()
        return await withTaskGroup(of: Bool.self) { group in
            for record in records { group.addTask { await self.push(record) } }
            var left = 0
            for await hasLeft in group where hasLeft { left += 1 }
            return left
        }
    }

    private func push(_ record: SessionRecord) async -> Bool {
        let peers = GatewayOrder.successors(of: record.id, among: view.nodes).filter(isPeer)
        let body = record.encoded()
        for peer in peers.prefix(SessionExchange.maximumPeers) {
            let address = NodeAddress(node: peer.id, host: peer.host, port: peer.port)
            let answer = try? await client.call(
                .pushSession, body: body, to: address, lane: .request,
                deadline: .now() + SessionExchange.pushDeadline)
            guard answer != nil else { continue }
            directory.moved(record.id, to: peer.id)
            settle(record.id)
            metrics.handedOver()
            return true
        }
        // It stays here, for whoever pulls it before the process ends.
        if !(await place(record)) { directory.lost(record.id) }
        settle(record.id)
        return false
    }

    private func settle(_ id: SessionID) {
        for waiter in waiters.removeValue(forKey: id) ?? [] { waiter.resume() }
    }

    /// From now on no sessions are taken from peers.
    func setLeaving(_ isLeaving: Bool) { self.isLeaving = isLeaving }
}

/// Serves `pullSession`.
struct PullSessionHandler: CallHandler {
    let exchange: SessionExchange

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        guard let request = try? PullSessionRequest(decoding: call.body) else {
            throw .refused("not a PullSessionRequest")
        }
        return await exchange.give(request).encoded()
    }
}

/// Serves `pushSession`; the answer is empty.
struct PushSessionHandler: CallHandler {
    let exchange: SessionExchange

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        guard let record = try? SessionRecord(decoding: call.body) else { throw .refused("not a SessionRecord") }
        guard await exchange.take(record) else { throw .refused("no sessions are taken here") }
        return ByteBuffer()
    }
}

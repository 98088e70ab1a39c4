import Identity
import Logging
import NIOCore
import Placement
import Routing
import Transport
import Wire

/// A loop as ``RootStreams`` sees it; callable from any thread.
protocol LoopPost: AnyObject, Sendable {
    func post(_ message: LoopMessage)
    /// About how many bytes wait to be looked at.
    var backlog: Int { get }
}

/// What a loop holds.
struct LoopCount: Sendable {
    var connections = 0
    var sessions = 0
}

/// What reaches a loop from outside its thread.
enum LoopMessage: Sendable {
    case host([HostMessage])
    /// A client's socket, with what was read from it already and who passed it.
    case adopt(descriptor: Int32, received: ByteBuffer, peer: String)
    /// What became of an IDENTIFY's token; `nil` when the user's slot could not be asked.
    case authenticated(connection: UInt64, AuthenticateReply?)
    /// A session that a RESUME asked for; `nil` when it is nowhere.
    case resumed(connection: UInt64, SessionRecord?)
    case export(SessionID, Token, reply: @Sendable (SessionRecord?) -> Void)
    /// Dispatches of a type, for one session: the answer to op 8.
    case dispatches(session: SessionID, type: String, payloads: [ByteBuffer])
    /// Tell every client to come back elsewhere.
    case drain
    /// Close everything and end the thread.
    case stop
    case count(@Sendable (LoopCount) -> Void)

    /// About how many bytes it holds.
    var weight: Int {
        switch self {
        case .host(let messages): messages.reduce(64) { $0 + $1.weight }
        case .dispatches(_, _, let payloads): payloads.reduce(64) { $0 + $1.readableBytes }
        default: 64
        }
    }
}

/// The shell of ``RootFollower`` on one NIO event loop: it opens the streams to guild nodes, and knows where sessions
/// are.
actor RootStreams {
    /// How many gateways a RESUME follows a session through.
    static let maximumHops = 8
    /// How many gateways are asked for a session when the one that made it does not know.
    static let maximumAsked = 32
    static let pullDeadline = TimeAmount.seconds(5)
    /// With more bytes waiting at a loop, guild nodes are granted no further items: theirs is the next bound, and beyond
    /// that one the gateway is shed and resynchronises.
    static let maximumBacklog = 64 << 20

    private nonisolated let eventLoop: any EventLoop
    private nonisolated let executor: any SerialExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let node: NodeID
    private let client: any CallClient
    private let view: any ClusterView
    private let logger: Logger
    private var loops: [any LoopPost] = []
    private var follower: RootFollower
    private var streams: [NodeID: any TransportStream] = [:]
    /// Items taken that their senders have not been told of.
    private var owed: [NodeID: Int] = [:]
    private var directory = SessionDirectory()
    private var isStopped = false

    private enum Input: Sendable {
        case requests([FollowRequest], loop: Int)
        case item(EventStreamItem, NodeID, any TransportStream)
        case closed(NodeID, any TransportStream, String)
        case began(SessionID, loop: Int)
        case ended(SessionID, loop: Int)
    }
    private nonisolated let inputs = BatchQueue<Input>()

    init(node: NodeID, client: any CallClient, view: any ClusterView, eventLoop: any EventLoop, logger: Logger) {
        self.node = node
        self.client = client
        self.view = view
        self.logger = logger
        self.eventLoop = eventLoop
        executor = eventLoop.executor
        follower = RootFollower { view.row($0)?.primary }
    }

    /// - Parameter loops: in the order of their numbers.
    func start(_ loops: [any LoopPost]) -> [Task<Void, Never>] {
        self.loops = loops
        return [
            Task { [view] in
                for await change in view.changes() { self.changed(change) }
            },
            Task {
                while !Task.isCancelled {
                    try? await Task.sleep(for: .milliseconds(100))
                    self.tick()
                }
            },
        ]
    }

    func stop() {
        isStopped = true
        for stream in streams.values { stream.close("the gateway stops") }
        streams.removeAll()
        owed.removeAll()
    }

    var followedRoots: Int { follower.followedCount }

    // MARK: Inputs, in batches

    private nonisolated func enqueue(_ input: Input) {
        inputs.append(input) {
            eventLoop.execute { self.assumeIsolated { $0.drainInputs() } }
        }
    }

    nonisolated func enqueue(_ requests: [FollowRequest], loop: Int) { enqueue(.requests(requests, loop: loop)) }
    nonisolated func sessionBegan(_ id: SessionID, loop: Int) { enqueue(.began(id, loop: loop)) }
    nonisolated func sessionEnded(_ id: SessionID, loop: Int) { enqueue(.ended(id, loop: loop)) }
    fileprivate nonisolated func received(
        _ item: EventStreamItem, from node: NodeID, on stream: any TransportStream
    ) {
        enqueue(.item(item, node, stream))
    }
    fileprivate nonisolated func closed(_ node: NodeID, _ stream: any TransportStream, _ reason: String) {
        enqueue(.closed(node, stream, reason))
    }

    private func drainInputs() {
        let now = NIODeadline.now()
        for input in inputs.takeAll() {
            switch input {
            case .requests(let requests, let loop):
                for request in requests { follower.request(request, loop: loop, now: now) }
            case .item(let item, let node, let stream):
                // An earlier stream's items have no place in the order of this one's.
                guard streams[node] === stream else { continue }
                owed[node, default: 0] += 1
                follower.received(item, from: node, now: now)
            case .closed(let node, let stream, let reason):
                guard streams[node] === stream else { continue }
                logger.info("event stream closed", metadata: ["node": "\(node)", "reason": "\(reason)"])
                drop(node)
                follower.closed(node, now: now)
            case .began(let id, let loop): directory.began(id, on: loop)
            case .ended(let id, let loop): directory.ended(id, on: loop)
            }
        }
        perform(now: now)
        grant()
    }

    /// Lets guild nodes send as many items more as were taken, unless a loop is behind.
    private func grant() {
        guard !owed.isEmpty, loops.allSatisfy({ $0.backlog < RootStreams.maximumBacklog }) else { return }
        for (node, items) in owed { streams[node]?.consumed(items) }
        owed.removeAll(keepingCapacity: true)
    }

    private func drop(_ node: NodeID) {
        streams[node] = nil
        owed[node] = nil
    }

    private func changed(_ change: ClusterChange) {
        let now = NIODeadline.now()
        switch change {
        case .row(let row): follower.rowChanged(row.slot, now: now)
        case .node: follower.mapChanged(now: now)
        case .nodeGone(let gone): streams[gone]?.close("the node is gone")
        }
        perform(now: now)
    }

    private func tick() {
        let now = NIODeadline.now()
        follower.tick(now: now)
        perform(now: now)
        grant()
    }

    private func perform(now: NIODeadline) {
        var batches: [Int: [HostMessage]] = [:]
        while true {
            let actions = follower.takeActions()
            // What fails here leads to actions in turn; each is only waited for, so this ends.
            guard !actions.isEmpty else { break }
            for action in actions {
                switch action {
                case .deliver(let loop, let message): batches[loop, default: []].append(message)
                case .open(let node): open(node)
                case .send(let node, let request):
                    guard let stream = streams[node], !stream.send(request.encoded()) else { continue }
                    // The guild node does not keep up: begin again with it.
                    drop(node)
                    stream.close("queue full")
                    follower.closed(node, now: now)
                }
            }
        }
        for (loop, messages) in batches { loops[loop].post(.host(messages)) }
    }

    private func open(_ node: NodeID) {
        guard !isStopped, let record = view.node(node) else {
            follower.closed(node, now: .now())
            return
        }
        let address = NodeAddress(node: node, host: record.host, port: record.port)
        Task { [client] in
            let stream = try? await client.openStream(
                .events, body: ByteBuffer(), to: address, lane: .event,
                receiver: RootStreamReceiver(streams: self, node: node))
            self.opened(node, stream)
        }
    }

    private func opened(_ node: NodeID, _ stream: (any TransportStream)?) {
        let now = NIODeadline.now()
        if let stream, !isStopped {
            drop(node)
            streams[node] = stream
            follower.opened(node, now: now)
        } else {
            stream?.close("the gateway stops")
            follower.closed(node, now: now)
        }
        perform(now: now)
    }

    // MARK: Sessions

    /// Finds a session wherever it is, takes it from there, and gives it to a loop.
    nonisolated func resume(_ id: SessionID, _ token: Token, loop: Int, connection: UInt64) {
        Task {
            let record = await self.pull(id, token, loop: loop)
            await self.answer(.resumed(connection: connection, record), loop: loop)
        }
    }

    private func answer(_ message: LoopMessage, loop: Int) { loops[loop].post(message) }

    private func pull(_ id: SessionID, _ token: Token, loop: Int) async -> SessionRecord? {
        var next: NodeID?
        switch directory.place(of: id) {
        case .loop(let owner)?: return await export(id, token, from: owner)
        case .moved(let taker)?: next = taker
        case nil: next = id.origin
        }
        let body = PullSessionRequest(id: id, token: token, taker: node).encoded()
        var asked: Set<NodeID> = [node]
        while let target = next, asked.count <= RootStreams.maximumHops, asked.insert(target).inserted {
            next = nil
            switch await ask(target, body) {
            case .session(let record)?: return record
            case .moved(let taker)?: next = taker
            case .unknown?, nil: break
            }
        }
        // Where the session began nobody knows of it any more, since that gateway has restarted: it may be at any.
        let others = view.nodes.filter { $0.roles.contains(.gateway) && !asked.contains($0.id) }
        for other in others.prefix(RootStreams.maximumAsked) {
            if case .session(let record)? = await ask(other.id, body) { return record }
        }
        return nil
    }

    private func ask(_ target: NodeID, _ body: ByteBuffer) async -> PullSessionReply? {
        guard let record = view.node(target) else { return nil }
        let address = NodeAddress(node: target, host: record.host, port: record.port)
        let answer = try? await client.call(
            .pullSession, body: body, to: address, lane: .request, deadline: .now() + RootStreams.pullDeadline)
        return answer.flatMap { try? PullSessionReply(decoding: $0) }
    }

    private func export(_ id: SessionID, _ token: Token, from loop: Int) async -> SessionRecord? {
        await withCheckedContinuation { continuation in
            loops[loop].post(.export(id, token, reply: { continuation.resume(returning: $0) }))
        }
    }

    /// Another gateway asks for a session.
    func give(_ request: PullSessionRequest) async -> PullSessionReply {
        switch directory.place(of: request.id) {
        case .moved(let node)?: return .moved(node)
        case nil: return .unknown
        case .loop(let loop)?:
            guard let record = await export(request.id, request.token, from: loop) else {
                // Another taker may have been quicker.
                if case .moved(let node)? = directory.place(of: request.id) { return .moved(node) }
                return .unknown
            }
            directory.moved(request.id, to: request.taker)
            return .session(record)
        }
    }
}

/// Receives one stream's items on its connection's event loop.
private struct RootStreamReceiver: StreamReceiver {
    let streams: RootStreams
    let node: NodeID

    func received(_ item: ByteBuffer, on stream: any TransportStream) {
        guard let decoded = try? EventStreamItem(decoding: item) else {
            stream.close("an item that cannot be read")
            return
        }
        streams.received(decoded, from: node, on: stream)
    }

    func closed(_ reason: String, on stream: any TransportStream) { streams.closed(node, stream, reason) }
}

/// Serves `pullSession`.
struct PullSessionHandler: CallHandler {
    let streams: RootStreams

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        guard let request = try? PullSessionRequest(decoding: call.body) else {
            throw .refused("not a PullSessionRequest")
        }
        return await streams.give(request).encoded()
    }
}

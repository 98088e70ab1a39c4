import Identity
import Logging
import NIOCore
import Placement
import Routing
import Transport
import Wire

/// The shell of ``RootFollower`` on one NIO event loop: it opens the streams to guild nodes.
actor RootStreams {
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
    private var isStopped = false

    private enum Input: Sendable {
        case requests([FollowRequest], loop: Int)
        case item(EventStreamItem, NodeID, any TransportStream)
        case closed(NodeID, any TransportStream, String)
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
                    try? await Task.sleep(for: .milliseconds(20))
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
        case .node(let record): follower.nodeChanged(record.id, now: now)
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

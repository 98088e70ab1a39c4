import Identity
import Logging
import NIOCore
import Placement
import Transport

/// The streams on which this node speaks to the other guild nodes: for each one on the replication lane for logs, and
/// one on the control lane for beacons, which must not wait behind the logs. Used on one event loop.
///
/// A stream that breaks is opened again, with pauses that grow. Nobody waits for one: what cannot be sent is lost, and
/// the protocol sends again what matters.
final class PeerConnections {
    static let lanes: [Lane] = [.replication, .control]
    static let firstPause = TimeAmount.milliseconds(20)
    static let longestPause = TimeAmount.seconds(1)

    private struct Connection {
        var stream: (any TransportStream)?
        var isOpening = false
        var retryAt = NIODeadline.uptimeNanoseconds(0)
        var pause = PeerConnections.firstPause
    }

    private struct Peer {
        var address: NodeAddress
        var connections: [Lane: Connection] = [:]
    }

    private let loop: any EventLoop
    private let client: any CallClient
    private let logger: Logger
    private var peers: [NodeID: Peer] = [:]
    private var isClosed = false
    /// Streams that are open or being opened: each still says something to this loop.
    private var live = 0
    private var ended: EventLoopPromise<Void>?
    /// Called with each stream of the replication lane that is open now.
    private let opened: (NodeID, any TransportStream) -> Void

    init(
        loop: any EventLoop, client: any CallClient, logger: Logger,
        opened: @escaping (NodeID, any TransportStream) -> Void
    ) {
        self.loop = loop
        self.client = client
        self.logger = logger
        self.opened = opened
    }

    func setPeers(_ addresses: [NodeID: NodeAddress]) {
        for (id, peer) in peers where addresses[id] != peer.address {
            for connection in peer.connections.values { connection.stream?.close("the node has another address") }
            peers[id] = nil
        }
        for (id, address) in addresses where peers[id] == nil { peers[id] = Peer(address: address) }
        openAll()
    }

    func stream(to id: NodeID, _ lane: Lane) -> (any TransportStream)? { peers[id]?.connections[lane]?.stream }

    /// Opens what is not open and may be tried now.
    func openAll() {
        guard !isClosed else { return }
        let now = NIODeadline.now()
        for (id, peer) in peers {
            for lane in PeerConnections.lanes {
                let connection = peer.connections[lane] ?? Connection()
                guard connection.stream == nil, !connection.isOpening, connection.retryAt <= now else { continue }
                open(id, lane, peer.address)
            }
        }
    }

    /// - Returns: when the last stream has ended, or a second is over.
    func close() -> EventLoopFuture<Void> {
        isClosed = true
        for peer in peers.values {
            for connection in peer.connections.values { connection.stream?.close("the node stops") }
        }
        peers = [:]
        guard live > 0 else { return loop.makeSucceededVoidFuture() }
        let promise = loop.makePromise(of: Void.self)
        ended = promise
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .seconds(1)) { bound.value.release() }
        return promise.futureResult
    }

    private func leave() {
        live -= 1
        if live == 0 { release() }
    }

    private func release() {
        ended?.succeed()
        ended = nil
    }

    private func open(_ id: NodeID, _ lane: Lane, _ address: NodeAddress) {
        peers[id]?.connections[lane, default: Connection()].isOpening = true
        live += 1
        let bound = NIOLoopBound(self, eventLoop: loop)
        let loop = loop
        let client = client
        let receiver = Receiver(loop: loop) { stream in bound.value.closed(id, lane, stream) }
        Task {
            let result: Result<any TransportStream, CallFailure>
            do throws(CallFailure) {
                result = .success(
                    try await client.openStream(
                        .replication, body: ByteBuffer(), to: address, lane: lane, receiver: receiver))
            } catch { result = .failure(error) }
            loop.execute { bound.value.finish(id, lane, address, result) }
        }
    }

    private func finish(
        _ id: NodeID, _ lane: Lane, _ address: NodeAddress, _ result: Result<any TransportStream, CallFailure>
    ) {
        // An open stream says later that it is closed.
        if case .failure = result { leave() }
        guard !isClosed, peers[id]?.address == address, peers[id]?.connections[lane]?.stream == nil else {
            if case .success(let stream) = result { stream.close("it is not needed any more") }
            return
        }
        peers[id]?.connections[lane]?.isOpening = false
        switch result {
        case .success(let stream):
            peers[id]?.connections[lane]?.stream = stream
            peers[id]?.connections[lane]?.pause = PeerConnections.firstPause
            if lane == .replication { opened(id, stream) }
        case .failure(let failure):
            logger.debug("no stream to a guild node", metadata: ["peer": "\(id)", "reason": "\(failure)"])
            postpone(id, lane)
        }
    }

    private func postpone(_ id: NodeID, _ lane: Lane) {
        guard let pause = peers[id]?.connections[lane]?.pause else { return }
        peers[id]?.connections[lane]?.retryAt = .now() + pause
        peers[id]?.connections[lane]?.pause = min(pause * 2, PeerConnections.longestPause)
    }

    private func closed(_ id: NodeID, _ lane: Lane, _ stream: any TransportStream) {
        leave()
        guard let current = peers[id]?.connections[lane]?.stream, current === stream else { return }
        peers[id]?.connections[lane]?.stream = nil
        postpone(id, lane)
    }

    /// The other side sends nothing on these streams.
    private struct Receiver: StreamReceiver {
        let loop: any EventLoop
        let ended: @Sendable (any TransportStream) -> Void

        func received(_ item: ByteBuffer, on stream: any TransportStream) { stream.consumed(1) }
        func closed(_ reason: String, on stream: any TransportStream) {
            loop.execute { [ended] in ended(stream) }
        }
    }
}

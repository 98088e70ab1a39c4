import Identity
import NIOCore
import NIOPosix
import Placement
import Synchronization
import Transport

@testable import Gateway

/// The gateways of a cluster in memory, and what goes between them.
final class FakeMembership: Sendable {
    private struct State {
        var records: [NodeID: NodeRecord] = [:]
        var handlers: [NodeID: [CallMethod: any CallHandler]] = [:]
        var acceptors: [NodeID: [CallMethod: any StreamAcceptor]] = [:]
        var streams: [PairedStream] = []
    }
    private let state = Mutex(State())

    init(_ gateways: [NodeID] = []) {
        for gateway in gateways { register(NodeRecord(id: gateway, roles: [.gateway], host: "127.0.0.1", port: 2)) }
    }

    var gateways: [NodeRecord] { state.withLock { $0.records.values.sorted { $0.id.rawValue < $1.id.rawValue } } }

    func register(_ record: NodeRecord) { state.withLock { $0.records[record.id] = record } }

    func update(_ node: NodeID, _ change: (inout NodeRecord) -> Void) {
        state.withLock { state in
            guard var record = state.records[node] else { return }
            change(&record)
            state.records[node] = record
        }
    }

    func serve(_ role: GatewayRole, at node: NodeID) {
        state.withLock {
            $0.handlers[node] = role.handlers
            $0.acceptors[node] = role.acceptors
        }
    }

    /// The process ends without a word: nothing reaches it any more, and nothing comes from it.
    func cut(_ node: NodeID) {
        let streams = state.withLock { state in
            state.handlers[node] = nil
            state.acceptors[node] = nil
            let cut = state.streams.filter { $0.local == node || $0.peer == node }
            state.streams.removeAll { $0.local == node || $0.peer == node }
            return cut
        }
        for stream in streams { stream.close("cut") }
    }

    /// Its record is gone as well.
    func remove(_ node: NodeID) { state.withLock { $0.records[node] = nil } }

    func handler(_ method: CallMethod, at node: NodeID) -> (any CallHandler)? {
        state.withLock { $0.handlers[node]?[method] }
    }

    func open(
        _ method: CallMethod, from local: NodeID, to peer: NodeID, body: ByteBuffer, _ receiver: any StreamReceiver
    ) throws(CallFailure) -> any TransportStream {
        guard handler(.pullSession, at: local) != nil, let acceptor = state.withLock({ $0.acceptors[peer]?[method] })
        else { throw .unreachable("no such node") }
        let (near, far) = PairedStream.pair(local, peer)
        state.withLock { $0.streams.append(near) }
        near.receive(with: receiver)
        far.receive(with: try acceptor.accept(far, body: body))
        return near
    }
}

/// A gateway's way to the others.
struct FakePeers: CallClient {
    let node: NodeID
    let guildNode: FakeGuildNode
    let membership: FakeMembership

    func call(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, deadline: NIODeadline
    ) async throws(CallFailure) -> ByteBuffer {
        guard membership.handler(method, at: node) != nil, let handler = membership.handler(method, at: address.node)
        else { throw .unreachable("no such node") }
        return try await handler.handle(InboundCall(method: method, body: body, peer: node, deadline: deadline))
    }

    func openStream(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, receiver: any StreamReceiver
    ) async throws(CallFailure) -> any TransportStream {
        guard method == .journal else {
            return try await guildNode.openStream(method, body: body, to: address, lane: lane, receiver: receiver)
        }
        return try membership.open(method, from: node, to: address.node, body: body, receiver)
    }
}

/// One side of a stream in memory.
final class PairedStream: TransportStream {
    private struct State {
        var other: PairedStream?
        var receiver: (any StreamReceiver)?
        var isClosed = false
    }
    let local: NodeID
    let peer: NodeID
    private let state = Mutex(State())
    /// Both sides deliver on it, in order.
    private let loop: any EventLoop

    private init(_ local: NodeID, _ peer: NodeID, _ loop: any EventLoop) {
        self.local = local
        self.peer = peer
        self.loop = loop
    }

    static func pair(_ local: NodeID, _ peer: NodeID) -> (PairedStream, PairedStream) {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let (near, far) = (PairedStream(local, peer, loop), PairedStream(peer, local, loop))
        near.state.withLock { $0.other = far }
        far.state.withLock { $0.other = near }
        return (near, far)
    }

    func receive(with receiver: any StreamReceiver) { state.withLock { $0.receiver = receiver } }

    func send(_ item: ByteBuffer) -> Bool {
        guard let other = state.withLock({ $0.isClosed ? nil : $0.other }) else { return false }
        loop.execute {
            guard let receiver = other.state.withLock({ $0.isClosed ? nil : $0.receiver }) else { return }
            receiver.received(item, on: other)
        }
        return true
    }

    func consumed(_ items: Int) {}

    func close(_ reason: String) {
        guard let other = state.withLock({ $0.other }) else { return }
        for side in [self, other] {
            loop.execute {
                let receiver = side.state.withLock { state -> (any StreamReceiver)? in
                    guard !state.isClosed else { return nil }
                    state.isClosed = true
                    state.other = nil
                    return state.receiver
                }
                receiver?.closed(reason, on: side)
            }
        }
    }
}

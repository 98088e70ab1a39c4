import Dispatch
import Identity
import NIOCore
import Synchronization
import Transport

/// A transport in memory, whose connections the tests cut.
final class LoopbackNetwork: CallClient {
    fileprivate struct State {
        var handlers: [NodeID: any CallHandler] = [:]
        var acceptors: [NodeID: any StreamAcceptor] = [:]
        var down: Set<NodeID> = []
        /// Calls that are carried out before their connection breaks.
        var repliesToLose = 0
        var calls: [NodeID] = []
        /// Calls and streams that found their node down.
        var refusals = 0
        var streams: [LoopbackStream] = []
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "loopback")
    let caller: NodeID

    init(caller: NodeID = NodeID(rawValue: "caller")!) { self.caller = caller }

    func serve(_ node: NodeID, handler: (any CallHandler)? = nil, acceptor: (any StreamAcceptor)? = nil) {
        state.withLock {
            $0.handlers[node] = handler
            $0.acceptors[node] = acceptor
        }
    }

    func setDown(_ node: NodeID, _ isDown: Bool) {
        let cut = state.withLock { state -> [LoopbackStream] in
            if isDown { state.down.insert(node) } else { state.down.remove(node) }
            return isDown ? state.takeStreams() : []
        }
        for stream in cut { stream.close("cut") }
    }

    func cutStreams() {
        for stream in state.withLock({ $0.takeStreams() }) { stream.close("cut") }
    }

    func loseReplies(_ count: Int) { state.withLock { $0.repliesToLose = count } }
    var openStreams: Int { state.withLock { $0.streams.count { !$0.isClosed } } }
    var calls: [NodeID] { state.withLock { $0.calls } }
    var refusals: Int { state.withLock { $0.refusals } }

    func call(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, deadline: NIODeadline
    ) async throws(CallFailure) -> ByteBuffer {
        let (handler, isLost) = state.withLock { state -> ((any CallHandler)?, Bool) in
            state.calls.append(address.node)
            guard !state.down.contains(address.node) else {
                state.refusals += 1
                return (nil, false)
            }
            let isLost = state.repliesToLose > 0
            if isLost { state.repliesToLose -= 1 }
            return (state.handlers[address.node], isLost)
        }
        guard let handler else { throw .unreachable("\(address.node) is down") }
        let reply = try await handler.handle(
            InboundCall(method: method, body: body, peer: caller, deadline: deadline))
        if isLost { throw .connectionLost }
        return reply
    }

    func openStream(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, receiver: any StreamReceiver
    ) async throws(CallFailure) -> any TransportStream {
        let acceptor = state.withLock { state -> (any StreamAcceptor)? in
            guard !state.down.contains(address.node) else {
                state.refusals += 1
                return nil
            }
            return state.acceptors[address.node]
        }
        guard let acceptor else { throw .unreachable("\(address.node) is down") }
        let near = LoopbackStream(peer: address.node, queue: queue)
        let far = LoopbackStream(peer: caller, queue: queue)
        near.connect(far, receiver: receiver)
        far.connect(near, receiver: nil)
        far.setReceiver(try acceptor.accept(far, body: body))
        state.withLock { $0.streams.append(near) }
        return near
    }
}

extension LoopbackNetwork.State {
    fileprivate mutating func takeStreams() -> [LoopbackStream] {
        defer { streams = [] }
        return streams
    }
}

/// One end of a stream, with a window of few items, so that full queues are met.
final class LoopbackStream: TransportStream {
    static let window = 8

    private struct State {
        var other: LoopbackStream?
        var receiver: (any StreamReceiver)?
        /// Items sent that the other side has not consumed.
        var outstanding = 0
        var isClosed = false
    }

    let peer: NodeID
    private let queue: DispatchQueue
    private let state = Mutex(State())

    init(peer: NodeID, queue: DispatchQueue) {
        self.peer = peer
        self.queue = queue
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    func connect(_ other: LoopbackStream, receiver: (any StreamReceiver)?) {
        state.withLock {
            $0.other = other
            $0.receiver = receiver
        }
    }

    func setReceiver(_ receiver: any StreamReceiver) { state.withLock { $0.receiver = receiver } }

    func send(_ item: ByteBuffer) -> Bool {
        let other = state.withLock { state -> LoopbackStream? in
            guard !state.isClosed, state.outstanding < LoopbackStream.window else { return nil }
            state.outstanding += 1
            return state.other
        }
        guard let other else { return false }
        queue.async { other.deliver(item) }
        return true
    }

    private func deliver(_ item: ByteBuffer) {
        let receiver = state.withLock { $0.isClosed ? nil : $0.receiver }
        receiver?.received(item, on: self)
    }

    func consumed(_ items: Int) { state.withLock { $0.other }?.granted(items) }
    private func granted(_ items: Int) { state.withLock { $0.outstanding -= items } }

    func close(_ reason: String) {
        let other = state.withLock { $0.other }
        finish(reason)
        other?.finish(reason)
    }

    private func finish(_ reason: String) {
        queue.async {
            let receiver = self.state.withLock { state -> (any StreamReceiver)? in
                guard !state.isClosed else { return nil }
                state.isClosed = true
                state.other = nil
                defer { state.receiver = nil }
                return state.receiver
            }
            receiver?.closed(reason, on: self)
        }
    }
}

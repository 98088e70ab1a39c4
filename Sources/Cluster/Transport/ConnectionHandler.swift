import Identity
import Logging
import NIOCore
import NIOTLS
import ServiceContextModule
import Wire

/// The shell around ``ConnectionState``: moves bytes, time and commands in, carries actions out.
///
/// It lives on its channel's event loop. Everything that a tick produces is written with one flush.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct StreamEntry {
        var stream: ConnectionStream
        var receiver: (any StreamReceiver)?
        var opened: (@Sendable (Result<any TransportStream, CallFailure>) -> Void)?
    }

    let number: UInt64
    let mailbox: Mailbox<ConnectionCommand>
    let limits: TransportLimits
    let services: TransportServices
    private let identity: TransportIdentity
    private let usesTLS: Bool
    private let metrics: TransportMetrics
    private let logger: Logger
    /// Called once each, on the event loop.
    var onEstablished: ((Handshake.Peer) -> Void)?
    var onPeerDrains: (() -> Void)?
    var onClosed: ((String) -> Void)?

    var state: ConnectionState
    var completions: [UInt64: OutboundCall] = [:]
    var tasks: [UInt64: Task<Void, Never>] = [:]
    var streams: [UInt64: StreamEntry] = [:]
    private var context: ChannelHandlerContext?
    /// Bytes written to the channel that the kernel has not taken.
    private var writtenBytes = 0
    /// Items written with the next flush; given back to their stream's bounds when the kernel has them.
    private var sentItems: [(stream: ConnectionStream, items: Int, bytes: Int)] = []
    private var wake: Scheduled<Void>?
    private var wakeAt = NIODeadline.distantFuture
    private var isReading = false
    private var needsFlush = false
    private var closeReason: String?
    /// Once the connection stands, until it ends.
    private var lane: Lane?

    /// On `eventLoop`.
    init(
        number: UInt64, role: Handshake.Role, lane: Lane, identity: TransportIdentity, services: TransportServices,
        limits: TransportLimits, usesTLS: Bool, metrics: TransportMetrics, logger: Logger, eventLoop: any EventLoop
    ) {
        self.number = number
        self.identity = identity
        self.services = services
        self.limits = limits
        self.usesTLS = usesTLS
        self.metrics = metrics
        self.logger = logger
        state = ConnectionState(role: role, hello: identity.hello(lane: lane), limits: limits, now: .now())
        mailbox = Mailbox(eventLoop: eventLoop) { _ in { _ in } }
        mailbox.consume { [unowned self] in self.perform($0) }
    }

    /// Bytes that wait for the kernel.
    var queuedBytes: Int { writtenBytes + state.output.byteCount }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // The handshake's time-out runs from here, TLS included.
        scheduleWake()
        if context.channel.isActive, !usesTLS { begin() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end("the connection closed")
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        if !usesTLS { begin() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if usesTLS, case .handshakeCompleted? = event as? TLSUserEvent {
            state.certificateNames = TransportTLS.peerNames(in: context.pipeline)
            begin()
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func begin() {
        state.start()
        finishTick()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let bytes = unwrapInboundIn(data)
        if let lane { metrics.received(bytes.readableBytes, on: lane) }
        state.receive(bytes, now: .now())
        carryOut()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        finishTick()
        context.fireChannelReadComplete()
    }

    /// A peer that does not take its answers gets no new requests read: its own window is the bound.
    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .accepting = state.handshake.role {
            let isWritable = context.channel.isWritable
            context.channel.setOption(.autoRead, value: isWritable).whenFailure { _ in }
        }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close("\(error)")
    }

    func channelInactive(context: ChannelHandlerContext) {
        end("the peer closed the connection")
        context.fireChannelInactive()
    }

    /// Ends the connection, when it has not ended yet.
    func close(_ reason: String) {
        state.fail(reason)
        finishTick()
    }

    private func end(_ reason: String) {
        state.fail(reason)
        carryOut()
        wake?.cancel()
        wake = nil
        mailbox.close()
        if let lane { metrics.stand(-1, on: lane) }
        lane = nil
        if let onClosed {
            self.onClosed = nil
            onClosed(closeReason ?? reason)
        }
        onEstablished = nil
        onPeerDrains = nil
    }

    // MARK: Ticks

    /// After any input: carries out the actions, writes the output with one flush, and sets the timer.
    func finishTick() {
        carryOut()
        if !isReading { flush() }
        scheduleWake()
    }

    private func flush() {
        guard let context, !state.output.isEmpty else { return closeIfDue() }
        let bytes = state.output.byteCount
        let buffers = state.output.take()
        writtenBytes += bytes
        if let lane { metrics.sent(bytes, on: lane) }
        let sent = sentItems
        sentItems.removeAll(keepingCapacity: true)
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in
            self.writtenBytes -= bytes
            for entry in sent { entry.stream.released(items: entry.items, bytes: entry.bytes) }
        }
        for (index, buffer) in buffers.enumerated() {
            context.write(wrapOutboundOut(buffer), promise: index == buffers.count - 1 ? promise : nil)
        }
        context.flush()
        closeIfDue()
    }

    private func closeIfDue() {
        guard let context, closeReason != nil else { return }
        // Behind what was written; a peer that reads nothing is closed by the kernel's or the silence time-out.
        context.close(promise: nil)
    }

    private func scheduleWake() {
        guard let context, let next = state.nextWake, wake == nil || next < wakeAt else { return }
        wake?.cancel()
        wakeAt = next
        wake = context.eventLoop.assumeIsolated().scheduleTask(deadline: next) {
            self.wake = nil
            self.state.advance(to: .now())
            self.finishTick()
        }
    }

    private func perform(_ commands: [ConnectionCommand]) {
        for command in commands {
            switch command {
            case .reply(let id, let result):
                tasks[id] = nil
                state.reply(id, result)
            case .item(let id, let item): state.send(item, on: id)
            case .grant(let id, let items): state.grant(items, on: id)
            case .closeStream(let id, let reason): state.closeStream(id, reason: reason, notify: true)
            case .drain(let reason): state.drain(reason)
            }
        }
        finishTick()
    }

    // MARK: Actions

    private func carryOut() {
        while true {
            let actions = state.takeActions()
            guard !actions.isEmpty else { return }
            for action in actions { carryOut(action) }
        }
    }

    private func carryOut(_ action: ConnectionState.Action) {
        switch action {
        case .established(let peer):
            lane = peer.lane
            metrics.stand(1, on: peer.lane)
            identity.sawPeer(peer.node, peer.mapEpoch)
            onEstablished?(peer)
            onEstablished = nil
        case .request(let id, let head, let body, let deadline):
            serve(id, head, body, deadline: deadline)
        case .abandoned(let id): tasks.removeValue(forKey: id)?.cancel()
        case .completed(let id, let result): completions.removeValue(forKey: id)?.complete(result)
        case .streamOffered(let id, let head, let body): offer(id, head, body)
        case .streamAccepted(let id):
            guard let entry = streams[id] else { return }
            streams[id]?.opened = nil
            entry.opened?(.success(entry.stream))
        case .streamRejected(let id, let failure):
            guard let entry = streams.removeValue(forKey: id) else { return }
            entry.stream.markClosed()
            entry.opened?(.failure(failure))
        case .streamReceived(let id, let item):
            guard let entry = streams[id] else { return }
            entry.receiver?.received(item, on: entry.stream)
        case .streamSent(let id, let items, let bytes):
            if let entry = streams[id] { sentItems.append((entry.stream, items, bytes)) }
        case .streamClosed(let id, let reason):
            guard let entry = streams.removeValue(forKey: id) else { return }
            entry.stream.markClosed()
            entry.receiver?.closed(reason, on: entry.stream)
        case .peerDrains:
            onPeerDrains?()
            onPeerDrains = nil
        case .close(let reason):
            logger.debug("connection closes", metadata: ["reason": "\(reason)"])
            closeReason = reason
        }
    }

    private func serve(_ id: UInt64, _ head: RequestHead, _ body: ByteBuffer, deadline: NIODeadline) {
        let method = CallMethod(rawValue: head.method)
        guard let handler = services.handlers[method] else {
            metrics.ended(method, .failure(.unknownMethod))
            return state.reply(id, .failure(.unknownMethod))
        }
        guard let peer = state.peer?.node else { return }
        let call = InboundCall(
            method: method, body: body, peer: peer, deadline: deadline, context: TraceContext.extract(head.trace))
        let (mailbox, metrics) = (mailbox, metrics)
        if let direct = handler as? any DirectCallHandler {
            return direct.handle(call) {
                metrics.ended(method, $0)
                mailbox.post(.reply(id, $0))
            }
        }
        tasks[id] = Task {
            let result: Result<ByteBuffer, CallFailure> = await ServiceContext.withValue(call.context) {
                do throws(CallFailure) {
                    return .success(try await handler.handle(call))
                } catch {
                    return .failure(error)
                }
            }
            metrics.ended(method, result)
            mailbox.post(.reply(id, result))
        }
    }

    private func offer(_ id: UInt64, _ head: RequestHead, _ body: ByteBuffer) {
        guard let acceptor = services.acceptors[CallMethod(rawValue: head.method)] else {
            return state.rejectStream(id, .unknownMethod)
        }
        guard let stream = makeStream(id) else { return }
        do throws(CallFailure) {
            let receiver = try acceptor.accept(stream, body: body)
            streams[id] = StreamEntry(stream: stream, receiver: receiver)
            state.acceptStream(id)
        } catch {
            stream.markClosed()
            state.rejectStream(id, error)
        }
    }

    private func makeStream(_ id: UInt64) -> ConnectionStream? {
        guard let peer = state.peer else { return nil }
        return ConnectionStream(
            id: id, peer: peer.node, lane: peer.lane, mailbox: mailbox, limits: limits, metrics: metrics)
    }

    // MARK: Calls and streams of ours; the caller ends the tick

    func start(_ call: OutboundCall) {
        do throws(CallFailure) {
            guard queuedBytes <= limits.queuedBytes else { throw .overloaded }
            let id = try state.call(
                call.method, body: call.body, deadline: call.deadline, trace: call.trace, now: .now())
            completions[id] = call
            call.token.connection.store(number, ordering: .relaxed)
            call.token.id.store(id, ordering: .relaxed)
        } catch {
            call.complete(.failure(error))
        }
    }

    func cancel(_ token: CallToken) { state.cancel(token.id.load(ordering: .relaxed)) }

    func start(_ request: OutboundStream) {
        do throws(CallFailure) {
            guard queuedBytes <= limits.queuedBytes else { throw .overloaded }
            let id = try state.openStream(request.method, body: request.body, trace: request.trace)
            guard let stream = makeStream(id) else { throw .unreachable("the connection is not open") }
            streams[id] = StreamEntry(stream: stream, receiver: request.receiver, opened: request.completion)
            mailbox.eventLoop.assumeIsolated().scheduleTask(in: limits.handshakeTimeout) {
                guard self.streams[id]?.opened != nil else { return }
                self.state.closeStream(id, reason: "not accepted in time", notify: true)
                self.finishTick()
            }
        } catch {
            request.completion(.failure(error))
        }
    }
}

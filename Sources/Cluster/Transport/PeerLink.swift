import Identity
import Logging
import NIOCore
import NIOPosix
import Wire

/// What other threads ask of a link.
enum LinkCommand: Sendable {
    case call(OutboundCall)
    case cancel(CallToken)
    case open(OutboundStream)
    case shutdown
}

/// The way to one peer on one lane: dials when there is something to send, and again after a loss, with backoff.
///
/// It lives on one event loop, as do its connections.
final class PeerLink {
    private enum Phase {
        /// Not connected; before `retryAt` calls fail at once with `reason`.
        case idle(retryAt: NIODeadline, reason: String)
        case connecting
        case open(ConnectionHandler)
        case down
    }

    private let address: NodeAddress
    private let lane: Lane
    private let identity: TransportIdentity
    private let limits: TransportLimits
    private let tls: TransportTLS?
    private let metrics: TransportMetrics
    private let logger: Logger
    private let eventLoop: any EventLoop
    /// Tells the client that this link has been idle for long.
    private let forget: @Sendable () -> Void

    private var phase = Phase.idle(retryAt: .uptimeNanoseconds(0), reason: "")
    private var delay: TimeAmount
    private var waitingCalls: [OutboundCall] = []
    private var waitingStreams: [OutboundStream] = []
    /// Connections that still carry something, by number.
    private var connections: [UInt64: ConnectionHandler] = [:]
    private var lastNumber: UInt64 = 0
    private var idleCheck: Scheduled<Void>?

    init(
        address: NodeAddress, lane: Lane, identity: TransportIdentity, limits: TransportLimits, tls: TransportTLS?,
        metrics: TransportMetrics, logger: Logger, eventLoop: any EventLoop, forget: @escaping @Sendable () -> Void
    ) {
        self.address = address
        self.lane = lane
        self.identity = identity
        self.limits = limits
        self.tls = tls
        self.metrics = metrics
        self.logger = logger
        self.eventLoop = eventLoop
        self.forget = forget
        delay = limits.reconnectDelay
    }

    func perform(_ commands: [LinkCommand]) {
        for command in commands {
            switch command {
            case .call(let call): start(call)
            case .cancel(let token): cancel(token)
            case .open(let request): start(request)
            case .shutdown: shutdown()
            }
        }
        if case .open(let handler) = phase { handler.finishTick() }
    }

    private func start(_ call: OutboundCall) {
        if call.token.isCancelled.load(ordering: .relaxed) { return call.complete(.failure(.cancelled)) }
        switch phase {
        case .open(let handler): handler.start(call)
        case .down: call.complete(.failure(.unreachable("the transport is shut down")))
        case .idle(let retryAt, let reason) where NIODeadline.now() < retryAt:
            call.complete(.failure(.unreachable(reason)))
        case .idle, .connecting:
            guard waitingCalls.count < limits.callsInFlight else { return call.complete(.failure(.overloaded)) }
            waitingCalls.append(call)
            eventLoop.assumeIsolated().scheduleTask(deadline: call.deadline) {
                self.giveUpWaiting(for: call.token, .deadlineExceeded)
            }
            dial()
        }
    }

    private func start(_ request: OutboundStream) {
        switch phase {
        case .open(let handler): handler.start(request)
        case .down: request.completion(.failure(.unreachable("the transport is shut down")))
        case .idle(let retryAt, let reason) where NIODeadline.now() < retryAt:
            request.completion(.failure(.unreachable(reason)))
        case .idle, .connecting:
            guard waitingStreams.count < limits.streams else { return request.completion(.failure(.overloaded)) }
            waitingStreams.append(request)
            dial()
        }
    }

    private func cancel(_ token: CallToken) {
        giveUpWaiting(for: token, .cancelled)
        guard let handler = connections[token.connection.load(ordering: .relaxed)] else { return }
        handler.cancel(token)
        handler.finishTick()
    }

    private func giveUpWaiting(for token: CallToken, _ failure: CallFailure) {
        guard let index = waitingCalls.firstIndex(where: { $0.token === token }) else { return }
        waitingCalls.remove(at: index).complete(.failure(failure))
    }

    // MARK: Connecting

    private func dial() {
        if case .connecting = phase { return }
        phase = .connecting
        idleCheck?.cancel()
        idleCheck = nil
        lastNumber += 1
        let number = lastNumber
        let handler = ConnectionHandler(
            number: number, role: .dialling(expected: address.node), lane: lane, identity: identity,
            services: TransportServices(), limits: limits, usesTLS: tls != nil, metrics: metrics, logger: logger,
            eventLoop: eventLoop)
        handler.onEstablished = { [unowned self] _ in self.established(number) }
        handler.onPeerDrains = { [unowned self] in self.leave(number, reason: "the peer drains", retriesAtOnce: true) }
        handler.onClosed = { self.closed(number, $0) }
        connections[number] = handler
        let bound = NIOLoopBound(handler, eventLoop: eventLoop)
        let tls = tls
        ClientBootstrap(group: eventLoop)
            .connectTimeout(limits.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: TransportServer.waterMark)
            .channelOption(.recvAllocator, value: TransportServer.receiveAllocator)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try tls?.addClientHandler(to: channel)
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
            .connect(host: address.host, port: address.port)
            .assumeIsolated()
            .whenFailure { self.closed(number, "\($0)") }
    }

    private func established(_ number: UInt64) {
        guard case .connecting = phase, number == lastNumber, let handler = connections[number] else { return }
        phase = .open(handler)
        delay = limits.reconnectDelay
        let calls = waitingCalls
        let requests = waitingStreams
        waitingCalls.removeAll()
        waitingStreams.removeAll()
        for request in requests { handler.start(request) }
        for call in calls { handler.start(call) }
        // The handler ends the tick itself, after the read that established it.
    }

    /// No new calls go to this connection.
    private func leave(_ number: UInt64, reason: String, retriesAtOnce: Bool) {
        guard number == lastNumber else { return }
        switch phase {
        case .down, .idle: return
        case .open, .connecting: break
        }
        let now = NIODeadline.now()
        if retriesAtOnce {
            phase = .idle(retryAt: now, reason: reason)
        } else {
            // Up to half of the delay is random, so that the peers of a restarted node do not come all at once.
            let jitter = Int64.random(in: 0...max(1, delay.nanoseconds / 2))
            phase = .idle(retryAt: now + .nanoseconds(delay.nanoseconds / 2 + jitter), reason: reason)
            delay = min(limits.maximumReconnectDelay, .nanoseconds(delay.nanoseconds * 2))
        }
        let calls = waitingCalls
        let requests = waitingStreams
        waitingCalls.removeAll()
        waitingStreams.removeAll()
        for call in calls { call.complete(.failure(.unreachable(reason))) }
        for request in requests { request.completion(.failure(.unreachable(reason))) }
    }

    private func closed(_ number: UInt64, _ reason: String) {
        guard connections.removeValue(forKey: number) != nil else { return }
        let wasOpen: Bool
        if case .open = phase, number == lastNumber { wasOpen = true } else { wasOpen = false }
        if !wasOpen {
            logger.debug("no connection", metadata: ["peer": "\(address.node)", "reason": "\(reason)"])
        }
        // A connection that stood is dialled again at once; one that never stood, after the delay.
        leave(number, reason: "\(address.node) at \(address.host):\(address.port): \(reason)", retriesAtOnce: wasOpen)
        scheduleIdleCheck()
    }

    private func scheduleIdleCheck() {
        guard connections.isEmpty, idleCheck == nil else { return }
        idleCheck = eventLoop.assumeIsolated().scheduleTask(in: limits.unusedTimeout) {
            self.idleCheck = nil
            if self.connections.isEmpty { self.forget() }
        }
    }

    private func shutdown() {
        leave(lastNumber, reason: "the transport is shut down", retriesAtOnce: true)
        phase = .down
        idleCheck?.cancel()
        idleCheck = nil
        for handler in connections.values { handler.close("the transport is shut down") }
    }
}

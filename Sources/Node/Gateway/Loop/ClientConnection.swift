import CLibUV
import Foundation
import Identity
import NIOCore
import Wire

/// One client's socket on its loop: the WebSocket and the protocol machine carried out. Confined to the loop.
final class ClientConnection: SessionSink {
    /// The WebSocket must be open after this time.
    static let handshakeTime = TimeAmount.seconds(10)
    /// After our close frame, the client has this time to close.
    static let closingTime = TimeAmount.seconds(3)

    enum Phase {
        case handshake(ByteBuffer)
        case open(WebSocketEndpoint, ProtocolMachine)
        /// What is queued goes out, nothing is read any more.
        case closing(since: NIODeadline)
        case closed
    }

    enum Pending {
        case dispatch(Dispatch, sequence: Int)
        /// A payload of this connection alone.
        case payload(ByteBuffer)
        /// Bytes that are a frame already, or HTTP.
        case raw(ByteBuffer)
    }

    unowned let loop: ClientLoop
    let number: UInt64
    let peer: String
    let tcp: UnsafeMutablePointer<uv_tcp_t>
    /// The socket, which belongs to `tcp`.
    let descriptor: Int32
    private let openedAt: NIODeadline
    var phase = Phase.handshake(ByteBuffer())
    var encoding = OutputEncoding.text
    var version = 10
    /// READY's `resume_gateway_url`: the way that the client came. By a router it comes to a gateway that lives,
    /// also when this one is gone.
    var resumeURL = ""
    var pending: [Pending] = []
    var isDirty = false
    /// Something of `pending` must be journaled before it is written.
    var isHeld = false
    /// How much of `pending` the journal's tick under way covers.
    var sealedCount = 0
    var session: Session?
    /// The IDENTIFY or RESUME that is being looked into.
    var identify: (Identify, Token)?
    var resume: (Resume, Token)?

    init(loop: ClientLoop, number: UInt64, descriptor: Int32, peer: String, now: NIODeadline) {
        self.loop = loop
        self.descriptor = descriptor
        self.number = number
        self.peer = peer
        openedAt = now
        tcp = .allocate(capacity: 1)
    }

    deinit { tcp.deallocate() }

    // MARK: Input

    func received(_ bytes: ByteBuffer) {
        var bytes = bytes
        if case .handshake(var head) = phase {
            head.writeImmutableBuffer(bytes)
            phase = .handshake(ByteBuffer())
            do throws(UpgradeRequest.Refusal) {
                guard let request = try UpgradeRequest.read(&head) else {
                    phase = .handshake(head)
                    return
                }
                upgrade(request)
                bytes = head
            } catch {
                send(.raw(error.response))
                startClosing()
                return
            }
        }
        while case .open(var endpoint, var machine) = phase {
            // Moved out for the call, so that the machine's buffers are not copied.
            phase = .closed
            let action = endpoint.next(&bytes)
            phase = .open(endpoint, machine)
            guard let action else { return }
            switch action {
            case .message(_, let payload):
                let next = machine.received(payload, now: loop.now, decoder: loop.decoder)
                phase = .open(endpoint, machine)
                if let next { perform(next) }
            case .send(let frame): send(.raw(frame))
            case .pinged:
                let next = machine.counted(now: loop.now)
                phase = .open(endpoint, machine)
                if let next { perform(next) }
            case .closed(let code):
                let isEnd = code == 1000 || code == 1001
                if isEnd, let session { loop.host.end(session) }
                startClosing()
            case .failed(let error):
                if case .violation(let reason) = error {
                    close(1002, reason)
                } else {
                    close(GatewayCloseCode.decodeError.rawValue, GatewayCloseCode.decodeError.reason)
                }
            }
        }
    }

    private func upgrade(_ request: UpgradeRequest) {
        guard request.path.allSatisfy({ $0 == "/" }) || request.path.hasPrefix("/gateway") else {
            send(
                .raw(UpgradeRequest.Refusal(status: 404, reason: "Not Found", message: "The gateway is at /.").response)
            )
            return startClosing()
        }
        let parameters = ProtocolMachine.Parameters(query: request.query)
        send(.raw(request.response))
        phase = .open(
            WebSocketEndpoint(maximumMessageBytes: ProtocolMachine.maximumPayloadBytes), ProtocolMachine(now: loop.now))
        if let (code, reason) = parameters.refusal { return close(code.rawValue, reason) }
        resumeURL = (request.isForwardedSecure ? "wss://" : "ws://") + request.host
        encoding = parameters.encoding
        version = parameters.version
        send(.payload(ProtocolMachine.hello))
    }

    func perform(_ action: ProtocolMachine.Action) {
        switch action {
        case .send(let payload): send(.payload(payload))
        case .close(let code, let reason): close(code.rawValue, reason)
        case .acknowledged(let sequence):
            send(.payload(ProtocolMachine.heartbeatACK))
            if let session {
                session.replay.acknowledge(sequence)
                if sequence <= session.sequence { session.journal?.acknowledged(sequence, session) }
            }
        case .identify(let identify): loop.identify(identify, on: self)
        case .resume(let resume): loop.resume(resume, on: self)
        case .requestGuildMembers(let request): loop.requestMembers(request, on: self)
        }
    }

    /// The protocol machine, while the WebSocket is open.
    func withMachine(_ body: (inout ProtocolMachine) -> ProtocolMachine.Action?) {
        guard case .open(let endpoint, var machine) = phase else { return }
        let action = body(&machine)
        phase = .open(endpoint, machine)
        if let action { perform(action) }
    }

    /// What the passing of time asks for.
    func tick(_ now: NIODeadline) {
        switch phase {
        case .handshake:
            guard now - openedAt >= ClientConnection.handshakeTime else { return }
            let refusal = UpgradeRequest.Refusal(
                status: 408, reason: "Request Timeout", message: "The request did not come in time.")
            send(.raw(refusal.response))
            startClosing()
        case .open: withMachine { $0.tick(now: now) }
        case .closing(let since): if now - since >= ClientConnection.closingTime { loop.destroy(self) }
        case .closed: break
        }
    }

    // MARK: Output

    func send(_ item: Pending) {
        switch phase {
        case .closed, .closing: return
        case .handshake, .open: break
        }
        pending.append(item)
        loop.markDirty(self)
    }

    func deliver(_ dispatch: Dispatch, sequence: Int) {
        if session?.journal != nil { isHeld = true }
        send(.dispatch(dispatch, sequence: sequence))
    }

    func invalidated() {
        detachSession()
        withMachine { $0.invalidated(now: loop.now) }
    }

    func close(_ code: GatewayCloseCode) { withMachine { $0.close(code) } }

    /// Sends a close frame; the session, if any, may be resumed.
    func close(_ code: UInt16, _ reason: String) {
        guard case .open(var endpoint, _) = phase else { return }
        if let frame = endpoint.close(code: code, reason: reason) { send(.raw(frame)) }
        // These sessions cannot be resumed (Discord, "Gateway Close Event Codes").
        if let known = GatewayCloseCode(rawValue: code), known.endsSession, let session { loop.host.end(session) }
        startClosing()
    }

    /// What is queued goes out, then the socket closes.
    func startClosing() {
        detachSession()
        switch phase {
        case .closing, .closed: return
        case .handshake, .open: break
        }
        phase = .closing(since: loop.now)
        loop.markDirty(self)
    }

    func detachSession() {
        guard let session else { return }
        self.session = nil
        if session.sink === self { session.detach(now: loop.now) }
    }
}

extension GatewayCloseCode {
    /// Whether the session is over with the connection; after all others the client may resume.
    var endsSession: Bool {
        switch self {
        case .authenticationFailed, .invalidSequence, .invalidShard, .shardingRequired,
            .invalidAPIVersion, .invalidIntents, .disallowedIntents:
            true
        // A client that timed out may have been cut off without knowing, and comes back.
        case .unknownError, .unknownOpcode, .decodeError, .notAuthenticated, .alreadyAuthenticated, .rateLimited,
            .sessionTimedOut:
            false
        }
    }
}

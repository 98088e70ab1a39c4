import NIOCore
import NIOHTTP1

/// One client connection's way through its requests: what may come next, within which sizes and until when.
///
/// A value without I/O. Parts of a request go in, actions come out, and time is passed in. The states, in the order in
/// which a request walks through them:
///
/// `waiting` (for a head) → `receiving` (its body) → `answering` → `flushing` (a slow reader takes the answer) →
/// `waiting`. A refusal leads to `lingering`: the answer is sent, the sending side closed, and what the client still
/// sends is thrown away for a moment, because closing at once would reset the connection and destroy the answer.
/// A WebSocket's upgrade leads from `receiving` to `leaving`: the socket goes to a gateway.
struct RequestIntake {
    enum Action: Equatable {
        case none
        /// Tell the client to send its body (RFC 9110 §10.1.1).
        case sendContinue
        case answer(HTTPRequestHead, ByteBuffer)
        case handOver(HTTPRequestHead)
        /// Answer with this error, then ``lingering(now:)``.
        case refuse(EdgeError)
    }

    enum Expiry: Equatable {
        case none
        case close
        /// Answer with this error, then ``lingering(now:)``.
        case refuse(EdgeError)
    }

    enum Next: Equatable {
        case nextRequest
        /// Wait until the client has read: ``flushed(now:)``.
        case flush
        case linger
    }

    private enum State {
        case waiting(until: NIODeadline, hasBegun: Bool)
        case receiving(HTTPRequestHead, ByteBuffer, until: NIODeadline)
        case answering(keepsAlive: Bool, until: NIODeadline)
        case flushing(until: NIODeadline)
        case lingering(until: NIODeadline)
        case leaving
    }

    /// Where a WebSocket may be asked for.
    static let gatewayPaths: Set<Substring> = ["", "/", "/gateway", "/gateway/"]

    private let limits: EdgeLimits
    private var state: State

    init(limits: EdgeLimits, now: NIODeadline) {
        self.limits = limits
        state = .waiting(until: now + limits.headTimeout, hasBegun: true)
    }

    /// Whether a further request must wait for the answer to this one.
    var isBusy: Bool {
        switch state {
        case .answering, .flushing: true
        case .waiting, .receiving, .lingering, .leaving: false
        }
    }

    /// Nothing is in progress, so that the connection may be closed.
    var isIdle: Bool {
        if case .waiting(_, hasBegun: false) = state { true } else { false }
    }

    /// Bytes came that do not make a whole head yet: from now on the head has its own, shorter time.
    mutating func bytesArrived(now: NIODeadline) {
        guard case .waiting(let until, hasBegun: false) = state else { return }
        state = .waiting(until: min(until, now + limits.headTimeout), hasBegun: true)
    }

    mutating func head(_ head: HTTPRequestHead, now: NIODeadline) -> Action {
        guard case .waiting = state else { return .none }
        guard head.uri.utf8.count <= limits.maximumTargetBytes else {
            return .refuse(EdgeError(.uriTooLong).closing())
        }
        if let length = head.headers.first(name: "content-length") {
            guard let bytes = Int(length), bytes <= limits.maximumBodyBytes else { return .refuse(.tooLarge) }
        }
        state = .receiving(head, ByteBuffer(), until: now + limits.bodyTimeout)
        let expects = head.headers.first(name: "expect")?.lowercased() == "100-continue"
        return expects && head.version == .http1_1 ? .sendContinue : .none
    }

    mutating func body(_ part: ByteBuffer) -> Action {
        guard case .receiving(let head, var body, let until) = state else { return .none }
        guard body.readableBytes + part.readableBytes <= limits.maximumBodyBytes else { return .refuse(.tooLarge) }
        // The one part that most bodies come in is kept as it is, without a copy.
        if body.readableBytes == 0 {
            body = part
        } else {
            state = .leaving
            body.writeImmutableBuffer(part)
        }
        state = .receiving(head, body, until: until)
        return .none
    }

    mutating func end(now: NIODeadline) -> Action {
        guard case .receiving(let head, let body, _) = state else { return .none }
        if RequestIntake.isGatewayUpgrade(head) {
            state = .leaving
            return .handOver(head)
        }
        // The decoder takes what follows any other upgrade for that protocol's bytes.
        let keepsAlive = head.isKeepAlive && !head.headers.contains(name: "upgrade")
        // The responder's own deadline comes first; this one is for a fault in it.
        state = .answering(keepsAlive: keepsAlive, until: now + limits.requestDeadline + .seconds(5))
        return .answer(head, body)
    }

    /// The answer was written.
    mutating func answered(closes: Bool, isWritable: Bool, now: NIODeadline) -> Next {
        guard case .answering(let keepsAlive, _) = state, keepsAlive, !closes else {
            lingering(now: now)
            return .linger
        }
        guard isWritable else {
            state = .flushing(until: now + limits.writeTimeout)
            return .flush
        }
        state = .waiting(until: now + limits.idleTimeout, hasBegun: false)
        return .nextRequest
    }

    /// Whether the answer to the present request will be the last on this connection.
    var isLast: Bool {
        if case .answering(let keepsAlive, _) = state { !keepsAlive } else { true }
    }

    var isAnswering: Bool {
        if case .answering = state { true } else { false }
    }

    /// The client has taken the answer. `true` when it was waited for.
    mutating func flushed(now: NIODeadline) -> Bool {
        guard case .flushing = state else { return false }
        state = .waiting(until: now + limits.idleTimeout, hasBegun: false)
        return true
    }

    mutating func lingering(now: NIODeadline) {
        state = .lingering(until: now + limits.lingerTimeout)
    }

    /// What is due at `now`.
    func expired(now: NIODeadline) -> Expiry {
        switch state {
        case .waiting(let until, let hasBegun):
            // An idle client is left without a word; one that dawdles over its head is told.
            until > now ? .none : hasBegun ? .refuse(EdgeError(.requestTimeout).closing()) : .close
        case .receiving(_, _, let until): until > now ? .none : .refuse(EdgeError(.requestTimeout).closing())
        case .answering(_, let until): until > now ? .none : .refuse(EdgeError.timeout.closing())
        case .flushing(let until), .lingering(let until): until > now ? .none : .close
        case .leaving: .none
        }
    }

    static func isGatewayUpgrade(_ head: HTTPRequestHead) -> Bool {
        guard head.method == .GET,
            head.headers[canonicalForm: "upgrade"].contains(where: { $0.lowercased() == "websocket" })
        else { return false }
        return gatewayPaths.contains(head.uri.prefix { $0 != "?" })
    }
}

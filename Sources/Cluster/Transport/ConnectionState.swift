import Identity
import NIOCore
import Wire

/// One connection of the inter-node protocol as a state machine without I/O.
///
/// Inputs are methods: bytes (``receive(_:now:)``), time (``advance(to:)``), and what this side wants to send. They fill
/// ``actions``, which the shell carries out in order, and ``output``, which it writes once a tick. Time is passed in;
/// ``nextWake`` says when ``advance(to:)`` has something to do.
///
/// A connection begins with the handshake. Then the side that dialled opens calls and streams, numbered from 1, and the
/// side that accepted serves them; a node that wants calls the other way dials itself. A call ends with its reply or
/// failure; the caller may end it sooner by its deadline or a cancellation, and then ignores what still comes. A stream
/// is open in both directions until one side closes it; its items flow against credit. Whoever has heard nothing for
/// the ping interval asks, and after the silence time-out gives the connection up.
///
/// ``ConnectionState+Calls``, `+Streams` and `+Frames` hold the parts.
struct ConnectionState {
    enum Phase {
        case handshake
        case open(Handshake.Peer)
        case closed
    }

    /// What the shell has to do.
    enum Action {
        case established(Handshake.Peer)
        /// The peer asks; answer with ``ConnectionState/reply(_:_:)``.
        case request(UInt64, RequestHead, ByteBuffer, deadline: NIODeadline)
        /// Nobody waits for the answer any more.
        case abandoned(UInt64)
        /// A call of ours has ended.
        case completed(UInt64, Result<ByteBuffer, CallFailure>)
        /// The peer opens a stream; answer with ``ConnectionState/acceptStream(_:)`` or `rejectStream`.
        case streamOffered(UInt64, RequestHead, ByteBuffer)
        case streamAccepted(UInt64)
        case streamRejected(UInt64, CallFailure)
        case streamReceived(UInt64, ByteBuffer)
        /// Queued items went to the output.
        case streamSent(UInt64, items: Int, bytes: Int)
        case streamClosed(UInt64, String)
        /// The peer takes no new calls.
        case peerDrains
        /// Write what is in the output, then close the connection.
        case close(String)
    }

    struct OutgoingCall {
        var deadline: NIODeadline
    }

    struct IncomingCall {
        var deadline: NIODeadline
    }

    let limits: TransportLimits
    var decoder: FrameDecoder
    var output = FrameOutput()
    var phase = Phase.handshake
    var handshake: Handshake
    /// Set by the shell, before the first bytes, under mutual TLS.
    var certificateNames: [String]?
    private(set) var actions: [Action] = []

    var outgoing: [UInt64: OutgoingCall] = [:]
    var incoming: [UInt64: IncomingCall] = [:]
    var streams: [UInt64: StreamState] = [:]
    var lastOpenedID: UInt64 = 0
    var lastAcceptedID: UInt64 = 0
    /// We said that we take no new calls.
    var isDraining = false
    /// The peer said so.
    var peerIsDraining = false

    /// The earliest deadline of any call, or later than all of them; recomputed when it passes, so that a call costs
    /// no timer.
    var nextDeadline = NIODeadline.distantFuture
    private let handshakeDeadline: NIODeadline
    private var lastReceived: NIODeadline
    private var pingSentAfter: NIODeadline?

    init(role: Handshake.Role, hello: Hello, limits: TransportLimits, now: NIODeadline) {
        self.limits = limits
        decoder = FrameDecoder(maximumLength: TransportLimits.handshakeFrameLength, expectsPreface: true)
        handshake = Handshake(role: role, hello: hello)
        handshakeDeadline = now + limits.handshakeTimeout
        lastReceived = now
    }

    var peer: Handshake.Peer? {
        guard case .open(let peer) = phase else { return nil }
        return peer
    }

    var isIdle: Bool { outgoing.isEmpty && incoming.isEmpty && streams.isEmpty }

    /// The actions since the last time, in order.
    mutating func takeActions() -> [Action] {
        guard !actions.isEmpty else { return [] }
        var taken: [Action] = []
        swap(&taken, &actions)
        return taken
    }

    mutating func act(_ action: Action) { actions.append(action) }

    /// The connection stands; the dialling side speaks first.
    mutating func start() {
        guard case .dialling = handshake.role else { return }
        sendHello()
    }

    private mutating func sendHello() {
        output.appendPreface()
        let hello = handshake.hello
        output.append(.hello) { hello.encode(into: &$0) }
    }

    /// Bytes came in.
    mutating func receive(_ bytes: ByteBuffer, now: NIODeadline) {
        lastReceived = now
        pingSentAfter = nil
        decoder.append(bytes)
        while true {
            if case .closed = phase { return }
            do {
                guard let frame = try decoder.next() else { return }
                try process(frame, now: now)
            } catch let error as FrameError {
                fail("unreadable frame: \(error)")
            } catch let error as FieldError {
                fail("unreadable fields: \(error)")
            } catch let error as ProtocolViolation {
                fail(error.reason)
            } catch {
                fail("\(error)")
            }
        }
    }

    private mutating func process(_ frame: Frame, now: NIODeadline) throws {
        switch phase {
        case .handshake: receiveHello(frame)
        case .open(let peer): try dispatch(frame, lane: peer.lane, now: now)
        case .closed: break
        }
    }

    private mutating func receiveHello(_ frame: Frame) {
        do {
            let peer = try handshake.receive(frame, certificateNames: certificateNames)
            if case .accepting = handshake.role { sendHello() }
            decoder.maximumLength = peer.lane.maximumFrameLength
            phase = .open(peer)
            act(.established(peer))
        } catch {
            if case .accepting = handshake.role, frame.type != .refusal {
                output.appendPreface()
                output.append(.refusal) { error.encode(into: &$0) }
            }
            fail(error.reason)
        }
    }

    /// Time has passed.
    mutating func advance(to now: NIODeadline) {
        switch phase {
        case .closed: return
        case .handshake:
            if now >= handshakeDeadline { fail("no handshake within \(limits.handshakeTimeout)") }
        case .open:
            if now >= nextDeadline { expireCalls(now: now) }
            if now >= lastReceived + limits.silenceTimeout {
                fail("nothing heard within \(limits.silenceTimeout)")
            } else if now >= lastReceived + limits.pingInterval, pingSentAfter == nil {
                output.append(.ping)
                pingSentAfter = lastReceived
            }
        }
    }

    /// When ``advance(to:)`` is due; `nil` once the connection is closed.
    var nextWake: NIODeadline? {
        switch phase {
        case .closed: return nil
        case .handshake: return handshakeDeadline
        case .open:
            let silence = lastReceived + (pingSentAfter == nil ? limits.pingInterval : limits.silenceTimeout)
            return min(nextDeadline, silence)
        }
    }

    /// Takes no new calls or streams from the peer; closes once what runs is done.
    mutating func drain(_ reason: String) {
        guard !isDraining else { return }
        isDraining = true
        guard case .open = phase else { return fail(reason) }
        let farewell = Farewell(reason: reason, lastStreamID: lastAcceptedID)
        output.append(.goAway) { farewell.encode(into: &$0) }
        for id in streams.keys { closeStream(id, reason: reason, notify: true) }
        closeIfDrained()
    }

    mutating func closeIfDrained() {
        if isDraining, isIdle { fail("drained") }
    }

    /// Ends the connection: everything under way fails.
    mutating func fail(_ reason: String) {
        if case .closed = phase { return }
        let wasOpen = peer != nil
        phase = .closed
        for id in outgoing.keys {
            act(.completed(id, .failure(wasOpen ? .connectionLost : .unreachable(reason))))
        }
        for id in incoming.keys { act(.abandoned(id)) }
        for (id, stream) in streams {
            act(stream.isAccepted ? .streamClosed(id, reason) : .streamRejected(id, .connectionLost))
        }
        outgoing.removeAll()
        incoming.removeAll()
        streams.removeAll()
        act(.close(reason))
    }
}

/// The peer broke a rule that lies above the frames.
struct ProtocolViolation: Error {
    var reason: String
}

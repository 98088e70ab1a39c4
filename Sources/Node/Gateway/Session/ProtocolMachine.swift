import Foundation
import Identity
import NIOCore

/// Discord's gateway protocol on one connection, without I/O and with the time passed in.
///
/// From HELLO on: heartbeats are answered at any time, also before IDENTIFY and RESUME; a connection that has sent
/// none for ``silence`` is closed with 4009; more than ``payloadLimit`` payloads in ``payloadWindow`` close it with
/// 4008. IDENTIFY and RESUME come back to the owner as actions, since others must be asked; the owner answers with
/// ``attached()``, ``invalidated()`` or a close. The session itself, which outlives connections, is ``Session``.
struct ProtocolMachine {
    static let heartbeatInterval = 41_250
    /// Without a heartbeat for so long, the session has timed out.
    static let silence = TimeAmount.seconds(60)
    /// Without a heartbeat for so long, the client is asked for one.
    static let patience = TimeAmount.seconds(50)
    /// A connection must have a session after this time, whatever it sends.
    static let identification = TimeAmount.seconds(60)
    static let payloadLimit = 120
    static let payloadWindow = TimeAmount.seconds(60)
    /// The most bytes of a client's payload (Discord, "Sending Events").
    static let maximumPayloadBytes = 4096
    static let versions: ClosedRange<Int> = 9...10

    enum Action: Hashable {
        case send(ByteBuffer)
        case close(GatewayCloseCode, reason: String)
        case identify(Identify)
        case resume(Resume)
        /// A heartbeat, to be acknowledged: the client has received all up to this sequence number.
        case acknowledged(Int)
        case requestGuildMembers(GuildMembersRequest)
    }

    private enum Phase {
        case unidentified
        /// IDENTIFY or RESUME is being looked into.
        case deciding
        case attached
        case closed
    }

    /// `v`, `encoding` and `compress` of the connection's URL.
    struct Parameters: Hashable {
        var version: Int
        var encoding: OutputEncoding
        /// What is wrong with them; the WebSocket is opened first, so that the client gets a code it knows.
        var refusal: (GatewayCloseCode, String)?

        init(query: [String: String]) {
            version = query["v"].flatMap { Int($0) } ?? ProtocolMachine.versions.upperBound
            encoding = .text
            if !ProtocolMachine.versions.contains(version) || query["v"].map({ Int($0) == nil }) == true {
                refusal = (.invalidAPIVersion, GatewayCloseCode.invalidAPIVersion.reason)
            } else if let encoding = query["encoding"], encoding != "json" {
                refusal = (.decodeError, "Only encoding=json is served.")
            }
            switch query["compress"] {
            case nil, "": break
            case "zlib-stream": encoding = .zlibStream(hasBegun: false)
            case "zstd-stream": encoding = .zstdStream(hasBegun: false)
            default: refusal = refusal ?? (.decodeError, "compress is zlib-stream or zstd-stream.")
            }
        }

        static func == (left: Parameters, right: Parameters) -> Bool {
            left.version == right.version && left.encoding == right.encoding && left.refusal?.0 == right.refusal?.0
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(version)
            hasher.combine(encoding)
        }
    }

    private var phase = Phase.unidentified
    private var unidentifiedSince: NIODeadline
    private var lastHeartbeat: NIODeadline
    private var isHeartbeatRequested = false
    private var windowStart: NIODeadline
    private var windowCount = 0

    /// - Parameter now: when the WebSocket was opened.
    init(now: NIODeadline) {
        unidentifiedSince = now
        lastHeartbeat = now
        windowStart = now
    }

    static let hello = ByteBuffer(
        string: #"{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":\#(heartbeatInterval),"_trace":[]}}"#)
    static let heartbeatACK = ByteBuffer(string: #"{"t":null,"s":null,"op":11,"d":null}"#)
    static let heartbeatRequest = ByteBuffer(string: #"{"t":null,"s":null,"op":1,"d":null}"#)
    static let reconnect = ByteBuffer(string: #"{"t":null,"s":null,"op":7,"d":null}"#)
    static let invalidSession = ByteBuffer(string: #"{"t":null,"s":null,"op":9,"d":false}"#)

    /// A whole message came in.
    mutating func received(_ payload: ByteBuffer, now: NIODeadline, decoder: JSONDecoder) -> Action? {
        if case .closed = phase { return nil }
        if let refusal = counted(now: now) { return refusal }
        let message: ClientPayload
        do throws(ClientPayload.Failure) {
            message = try ClientPayload(payload, decoder: decoder)
        } catch {
            return close(error == .unknownOpcode ? .unknownOpcode : .decodeError)
        }
        switch message {
        case .heartbeat(let sequence):
            lastHeartbeat = now
            isHeartbeatRequested = false
            return sequence.map { .acknowledged($0) } ?? .send(ProtocolMachine.heartbeatACK)
        case .identify(let identify):
            guard case .unidentified = phase else { return close(.alreadyAuthenticated) }
            phase = .deciding
            return .identify(identify)
        case .resume(let resume):
            guard case .unidentified = phase else { return close(.alreadyAuthenticated) }
            guard resume.sequence >= 0 else { return close(.invalidSequence) }
            phase = .deciding
            return .resume(resume)
        case .requestGuildMembers(let request):
            guard case .attached = phase else { return close(.notAuthenticated) }
            return .requestGuildMembers(request)
        case .accepted:
            guard case .attached = phase else { return close(.notAuthenticated) }
            return nil
        }
    }

    /// Counts a frame of the client against its rate.
    mutating func counted(now: NIODeadline) -> Action? {
        if now - windowStart >= ProtocolMachine.payloadWindow {
            windowStart = now
            windowCount = 0
        }
        windowCount += 1
        return windowCount > ProtocolMachine.payloadLimit ? close(.rateLimited) : nil
    }

    /// What the passing of time asks for.
    mutating func tick(now: NIODeadline) -> Action? {
        switch phase {
        case .closed: return nil
        case .unidentified where now - unidentifiedSince >= ProtocolMachine.identification:
            return close(.sessionTimedOut)
        default: break
        }
        let silence = now - lastHeartbeat
        if silence >= ProtocolMachine.silence { return close(.sessionTimedOut) }
        guard silence >= ProtocolMachine.patience, !isHeartbeatRequested else { return nil }
        isHeartbeatRequested = true
        return .send(ProtocolMachine.heartbeatRequest)
    }

    /// IDENTIFY or RESUME succeeded.
    mutating func attached() { if case .deciding = phase { phase = .attached } }

    /// The session is not, or no longer, valid: the client may identify again on this connection.
    mutating func invalidated(now: NIODeadline) -> Action? {
        if case .closed = phase { return nil }
        phase = .unidentified
        unidentifiedSince = now
        return .send(ProtocolMachine.invalidSession)
    }

    mutating func close(_ code: GatewayCloseCode, reason: String? = nil) -> Action {
        phase = .closed
        return .close(code, reason: reason ?? code.reason)
    }
}

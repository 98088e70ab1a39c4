import NIOCore
import Wire

/// What each frame means once the handshake is done.
extension ConnectionState {
    mutating func dispatch(_ frame: Frame, lane: Lane, now: NIODeadline) throws {
        switch frame.type {
        case .request: try receiveRequest(frame, now: now)
        case .reply: complete(frame.streamID, .success(frame.body))
        case .failure: try receiveFailure(frame)
        case .cancel: receiveCancel(frame.streamID)
        case .open: try receiveOpen(frame)
        case .accepted: try receiveAccepted(frame)
        case .item: try receiveItem(frame)
        case .credit: try receiveCredit(frame)
        case .close: try receiveClose(frame)
        case .ping: try receivePing(frame)
        case .pong: break
        case .goAway: try receiveGoAway(frame)
        case .hello, .refusal: throw ProtocolViolation(reason: "a second hello")
        default: break
        }
    }

    private mutating func receiveFailure(_ frame: Frame) throws {
        let failure = try Failure(decoding: frame.fields).callFailure
        if let stream = streams[frame.streamID] {
            guard !stream.isAccepted else { throw ProtocolViolation(reason: "an open stream cannot be refused") }
            streams[frame.streamID] = nil
            act(.streamRejected(frame.streamID, failure))
            closeIfPeerDrained()
        } else {
            complete(frame.streamID, .failure(failure))
        }
    }

    /// A ping's body is a token for the sender; bounded, so that the echo is too.
    private mutating func receivePing(_ frame: Frame) throws {
        guard frame.body.readableBytes <= 64 else { throw ProtocolViolation(reason: "a ping of more than 64 bytes") }
        output.append(.pong, body: frame.body)
    }
}

import NIOCore

/// The server's side of one WebSocket connection after its handshake, without I/O: the decoder with the answers that
/// RFC 6455 makes a matter of course (pong, echo of a close, close at a violation).
public struct WebSocketEndpoint {
    /// What the owner is to do, in order.
    public enum Action: Hashable, Sendable {
        case message(isText: Bool, ByteBuffer)
        /// A frame of ours to send, as it is.
        case send(ByteBuffer)
        /// A ping was answered by the `send` before; counted against the client's rate.
        case pinged
        /// The client ended the WebSocket, with this code if any: send what is queued, then close the transport.
        case closed(code: UInt16?)
        /// The client broke the protocol; the close frame for it is up to the owner.
        case failed(WebSocketError)
    }

    private enum State {
        case open
        /// Our close frame is out; the client's is awaited.
        case closing
        /// The client broke the protocol; nothing more is read, our close frame is still to be sent.
        case failed
        case closed
    }

    private var decoder: WebSocketDecoder
    private var state = State.open
    private var waiting: Action?

    public init(maximumMessageBytes: Int) { decoder = WebSocketDecoder(maximumMessageBytes: maximumMessageBytes) }

    /// Whether frames may still be sent.
    public var isOpen: Bool {
        if case .open = state { true } else { false }
    }

    /// The next thing to do about `bytes`; `nil` when they are consumed.
    public mutating func next(_ bytes: inout ByteBuffer) -> Action? {
        if let action = waiting {
            waiting = nil
            return action
        }
        while true {
            switch state {
            case .failed, .closed: return nil
            case .open, .closing: break
            }
            let event: WebSocketDecoder.Event
            do throws(WebSocketError) {
                guard let next = try decoder.next(&bytes) else { return nil }
                event = next
            } catch {
                // After our close frame nothing matters but the end.
                let wasOpen = isOpen
                state = wasOpen ? .failed : .closed
                return wasOpen ? .failed(error) : .closed(code: nil)
            }
            switch (event, state) {
            case (.close(let code), .open):
                state = .closed
                waiting = .closed(code: code)
                return .send(
                    code.map { WebSocketFrame.close(code: $0) } ?? WebSocketFrame.encoded(.close, ByteBuffer()))
            case (.close(let code), _):
                state = .closed
                return .closed(code: code)
            case (_, .closing), (.pong, _): continue
            case (.message(let isText, let bytes), _): return .message(isText: isText, bytes)
            case (.ping(let payload), _):
                waiting = .pinged
                return .send(WebSocketFrame.encoded(.pong, payload))
            }
        }
    }

    /// Starts the close, or ends it after a failure; `nil` when a close frame is out already.
    public mutating func close(code: UInt16, reason: String = "") -> ByteBuffer? {
        switch state {
        case .open: state = .closing
        case .failed: state = .closed
        case .closing, .closed: return nil
        }
        return WebSocketFrame.close(code: code, reason: reason)
    }
}

import Identity
import NIOCore
import Transport
import Wire

/// Takes gateways' event streams and hands each request to the executor of its root's slot.
struct EventStreams: StreamAcceptor {
    let node: @Sendable () -> SlotNode?

    func accept(_ stream: any TransportStream, body: ByteBuffer) throws(CallFailure) -> any StreamReceiver {
        guard let node = node() else { throw .refused("the guild role is starting") }
        return EventStreamReceiver(node: node)
    }
}

private struct EventStreamReceiver: StreamReceiver {
    let node: SlotNode

    func received(_ item: ByteBuffer, on stream: any TransportStream) {
        do {
            node.streamRequest(try EventStreamRequest(decoding: item), from: stream)
        } catch {
            stream.close("a request cannot be decoded: \(error)")
        }
        stream.consumed(1)
    }

    func closed(_ reason: String, on stream: any TransportStream) { node.streamClosed(stream) }
}

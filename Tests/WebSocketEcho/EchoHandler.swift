import Gateway
import NIOCore

/// One connection: the handshake, then every message back as it came.
final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Autobahn's largest message has 16 MiB.
    private static let maximumMessageBytes = 17 << 20

    private var unread = ByteBuffer()
    private var endpoint: WebSocketEndpoint?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        unread.writeBuffer(&bytes)
        if endpoint == nil {
            do throws(UpgradeRequest.Refusal) {
                guard let request = try UpgradeRequest.read(&unread) else { return }
                endpoint = WebSocketEndpoint(maximumMessageBytes: EchoHandler.maximumMessageBytes)
                context.write(wrapOutboundOut(request.response), promise: nil)
            } catch {
                context.writeAndFlush(wrapOutboundOut(error.response), promise: nil)
                context.close(promise: nil)
                return
            }
        }
        while let action = endpoint?.next(&unread) {
            switch action {
            case .message(let isText, let message):
                context.write(wrapOutboundOut(WebSocketFrame.encoded(isText ? .text : .binary, message)), promise: nil)
            case .send(let frame): context.write(wrapOutboundOut(frame), promise: nil)
            case .pinged: break
            case .closed:
                context.flush()
                context.close(promise: nil)
                return
            case .failed(let error):
                if let frame = endpoint?.close(code: error.closeCode) {
                    context.write(wrapOutboundOut(frame), promise: nil)
                }
                context.flush()
                context.close(promise: nil)
                return
            }
        }
        unread.discardReadBytes()
        context.flush()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

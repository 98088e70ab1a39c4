import Foundation
import Gateway
import NIOCore
import NIOPosix

/// The echo server that Autobahn's fuzzing client talks to, on the gateway's own handshake and framing; for tests only.
///
/// It prints the port that the system gave it, and ends when its standard input does, so that it cannot outlive a test.
@main struct WebSocketEcho {
    /// Above the largest message of Autobahn's group 9 (16 MiB); the gateway's own limit is 4,096.
    static let maximumMessageBytes = 32 << 20

    static func main() async throws {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(EchoHandler())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        FileHandle.standardOutput.write(Data("\(channel.localAddress?.port ?? 0)\n".utf8))
        let (ended, continuation) = AsyncStream.makeStream(of: Void.self)
        Thread.detachNewThread {
            while readLine() != nil {}
            continuation.finish()
        }
        for await _ in ended {}
        try await channel.close()
    }
}

/// One client: the handshake, then every message back to who sent it.
final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// After our close frame, the client has this time to close.
    static let closingTime = TimeAmount.seconds(3)

    private var head = ByteBuffer()
    private var endpoint: WebSocketEndpoint?
    private var isClosing = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        var bytes = unwrapInboundIn(data)
        if endpoint == nil {
            head.writeBuffer(&bytes)
            do throws(UpgradeRequest.Refusal) {
                guard let request = try UpgradeRequest.read(&head) else { return }
                context.write(wrapOutboundOut(request.response), promise: nil)
                endpoint = WebSocketEndpoint(maximumMessageBytes: WebSocketEcho.maximumMessageBytes)
                bytes = head
                head = ByteBuffer()
            } catch {
                context.write(wrapOutboundOut(error.response), promise: nil)
                return end(context)
            }
        }
        while !isClosing, let action = endpoint?.next(&bytes) { perform(action, context) }
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func perform(_ action: WebSocketEndpoint.Action, _ context: ChannelHandlerContext) {
        switch action {
        case .message(let isText, let payload):
            context.write(wrapOutboundOut(WebSocketFrame.encoded(isText ? .text : .binary, payload)), promise: nil)
        case .send(let frame): context.write(wrapOutboundOut(frame), promise: nil)
        case .pinged: break
        case .closed: end(context)
        case .failed(let error):
            if let frame = endpoint?.close(code: error.closeCode) {
                context.write(wrapOutboundOut(frame), promise: nil)
            }
            end(context)
        }
    }

    /// Ends our direction, then waits for the client's: closed at once, what it still sends would make the system throw
    /// away our last frames.
    private func end(_ context: ChannelHandlerContext) {
        isClosing = true
        context.flush()
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        context.eventLoop.scheduleTask(in: EchoHandler.closingTime) { channel.close(promise: nil) }
    }
}

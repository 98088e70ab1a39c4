import Foundation
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Operations
import Placement

/// A client's socket on its way to a gateway: what was read of it is gathered here until somebody takes both.
///
/// On this machine the gateway gets the socket itself (DESIGN §13): its descriptor is taken out of NIO and passed with
/// the upgrade request, and this process closes its own copy, which sends nothing to the client. Where no gateway of
/// this machine takes it, the bytes are proxied to one elsewhere.
final class SocketDeparture: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    static let connectTimeout: TimeAmount = .seconds(2)

    private let peer: String
    private let responder: Responder
    private var received: ByteBuffer
    private var context: ChannelHandlerContext?
    private var isOver = false

    init(head: HTTPRequestHead, peer: String, responder: Responder) {
        self.peer = peer
        self.responder = responder
        received = SocketDeparture.bytes(of: head)
    }

    /// The request's head as text again; the decoder keeps every field as it was.
    static func bytes(of head: HTTPRequestHead) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeString("\(head.method.rawValue) \(head.uri) HTTP/\(head.version.major).\(head.version.minor)\r\n")
        for (name, value) in head.headers { buffer.writeString("\(name): \(value)\r\n") }
        buffer.writeString("\r\n")
        return buffer
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        var bytes = unwrapInboundIn(data)
        // A WebSocket's client waits for the answer to its upgrade; one that sends this much does not.
        guard received.readableBytes + bytes.readableBytes <= SocketPassing.maximumReceivedBytes else {
            return context.close(promise: nil)
        }
        received.writeBuffer(&bytes)
    }

    /// - Parameter refused: called when no gateway takes the client.
    func begin(_ refused: @escaping () -> Void) {
        guard let context else { return }
        let nodes = responder.service.view.nodes
        let gateways = responder.assumeIsolated { $0.gateways.turn(nodes) }
        let machine = responder.service.machine
        let near = gateways.filter { !$0.socketPath.isEmpty && $0.machine == machine }
        if pass(to: near, context) {
            isOver = true
            return context.close(promise: nil)
        }
        proxy(to: gateways.compactMap(SocketDeparture.address)[...], context) { [self] in
            isOver = true
            refused()
        }
    }

    private func pass(to gateways: [NodeRecord], _ context: ChannelHandlerContext) -> Bool {
        guard !gateways.isEmpty else { return false }
        let handover = SocketPassing.Handover(peerAddress: peer, received: received)
        let passed = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self
        ) { descriptor in
            gateways.contains { pass(descriptor, handover, to: $0) }
        }
        return passed ?? false
    }

    private func pass(_ descriptor: Int32, _ handover: SocketPassing.Handover, to gateway: NodeRecord) -> Bool {
        let failure: SocketPassing.Failure? = responder.assumeIsolated { responder in
            do throws(SocketPassing.Failure) {
                try responder.gateways.pass(descriptor, handover, to: gateway.socketPath)
                return nil
            } catch {
                return error
            }
        }
        guard let failure else { return true }
        responder.service.logger.notice(
            "a gateway did not take a socket", metadata: ["gateway": "\(gateway.id)", "reason": "\(failure)"])
        return false
    }

    // MARK: Proxying

    static func address(_ gateway: NodeRecord) -> (host: String, port: Int)? {
        guard let url = URLComponents(string: gateway.clientURL), url.scheme == "ws", let host = url.host,
            let port = url.port
        else { return nil }
        return (host, port)
    }

    private func proxy(
        to addresses: ArraySlice<(host: String, port: Int)>, _ context: ChannelHandlerContext,
        refused: @escaping () -> Void
    ) {
        guard let (host, port) = addresses.first else { return refused() }
        let bound = NIOLoopBound((self, context, refused), eventLoop: context.eventLoop)
        ClientBootstrap(group: context.eventLoop)
            .connectTimeout(SocketDeparture.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.autoRead, value: false)
            .connect(host: host, port: port)
            .whenComplete { result in
                let (departure, context, refused) = bound.value
                // The client has gone meanwhile.
                guard departure.context != nil else {
                    if case .success(let gateway) = result { gateway.close(promise: nil) }
                    return
                }
                switch result {
                case .failure: departure.proxy(to: addresses.dropFirst(), context, refused: refused)
                case .success(let gateway): departure.join(context, gateway)
                }
            }
    }

    private func join(_ context: ChannelHandlerContext, _ gateway: any Channel) {
        let client = context.channel
        isOver = true
        do {
            let (inner, outer) = ByteProxy.pair()
            try gateway.pipeline.syncOperations.addHandler(outer)
            try client.pipeline.syncOperations.addHandler(inner)
            gateway.writeAndFlush(received, promise: nil)
            let (pipeline, eventLoop) = (client.pipeline.syncOperations, client.eventLoop)
            var removals: [EventLoopFuture<Void>] = []
            removals.append(pipeline.removeHandler(try pipeline.handler(type: HTTPResponseEncoder.self)))
            removals.append(pipeline.removeHandler(try pipeline.handler(type: ConnectionHandler.self)))
            removals.append(pipeline.removeHandler(self))
            EventLoopFuture.andAllSucceed(removals, on: eventLoop).whenComplete { result in
                guard case .success = result else {
                    client.close(promise: nil)
                    return gateway.close(promise: nil)
                }
                for channel in [client, gateway] {
                    // Fails only on a closed channel, whose other side ByteProxy closes.
                    try? channel.syncOptions?.setOption(.autoRead, value: true)
                    channel.read()
                }
            }
        } catch {
            client.close(promise: nil)
            gateway.close(promise: nil)
        }
    }
}

import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Serves `/health/live`, `/health/ready`, `/metrics` and `/log-level` of a process.
///
/// It is meant for operators and their monitors, on a loopback or internal address: it knows no authentication.
public final class HealthServer: Sendable {
    /// Connections at once; more are closed.
    static let maximumConnections = 64
    /// A connection without a complete request for so long is closed.
    static let standardTimeout = TimeAmount.seconds(15)
    /// The longest request body, in bytes.
    static let maximumBody = 1_024

    private struct State {
        var listener: (any Channel)?
        var connections: [ObjectIdentifier: any Channel] = [:]
    }

    private let group: any EventLoopGroup
    private let responder: HealthResponder
    private let timeout: TimeAmount
    private let state = Mutex(State())

    /// - Parameter timeout: for a test to shorten.
    init(readiness: Readiness, telemetry: Telemetry, group: any EventLoopGroup, timeout: TimeAmount) {
        responder = HealthResponder(readiness: readiness, telemetry: telemetry)
        self.group = group
        self.timeout = timeout
    }

    public convenience init(readiness: Readiness, telemetry: Telemetry, group: any EventLoopGroup) {
        self.init(readiness: readiness, telemetry: telemetry, group: group, timeout: HealthServer.standardTimeout)
    }

    /// Listens.
    ///
    /// - Parameter port: 0 lets the system choose.
    /// - Returns: the address with its port.
    /// - Throws: when the address cannot be bound.
    @discardableResult
    public func start(host: String, port: Int) async throws -> SocketAddress {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.accept(channel) }
            }
        let listener = try await bootstrap.bind(host: host, port: port).get()
        guard let address = listener.localAddress else { throw ChannelError.unknownLocalAddress }
        state.withLock { $0.listener = listener }
        return address
    }

    private func accept(_ channel: any Channel) throws {
        let id = ObjectIdentifier(channel)
        let isAdmitted = state.withLock { state in
            guard state.connections.count < HealthServer.maximumConnections else { return false }
            state.connections[id] = channel
            return true
        }
        guard isAdmitted else { throw ChannelError.operationUnsupported }
        channel.closeFuture.whenComplete { _ in _ = self.state.withLock { $0.connections.removeValue(forKey: id) } }
        let pipeline = channel.pipeline.syncOperations
        try pipeline.configureHTTPServerPipeline()
        try pipeline.addHandler(HealthHandler(responder, limit: timeout))
    }

    /// Closes the listener and all connections.
    public func shutdown() async {
        let (listener, connections) = state.withLock { ($0.listener, Array($0.connections.values)) }
        try? await listener?.close()
        for connection in connections { try? await connection.close() }
    }
}

/// The HTTP side of ``HealthResponder`` on one connection.
private final class HealthHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let responder: HealthResponder
    private let limit: TimeAmount
    private var timeout: Scheduled<Void>?
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()

    init(_ responder: HealthResponder, limit: TimeAmount) {
        self.responder = responder
        self.limit = limit
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body.clear()
        case .body(let part):
            guard body.readableBytes + part.readableBytes <= HealthServer.maximumBody else {
                answer(.init(status: .payloadTooLarge, body: "{\"message\":\"body too large\"}"), closes: true, context)
                head = nil
                return
            }
            body.writeImmutableBuffer(part)
        case .end:
            restartTimeout(context)
            guard let head else { return }
            self.head = nil
            let path = String(head.uri.prefix { $0 != "?" })
            let response = responder.respond(method: head.method, path: path, body: String(buffer: body))
            answer(response, closes: !head.isKeepAlive, isHead: head.method == .HEAD, context)
        }
    }

    private func answer(
        _ response: HealthResponder.Response, closes: Bool, isHead: Bool = false, _ context: ChannelHandlerContext
    ) {
        var headers = HTTPHeaders()
        headers.add(name: "Content-Type", value: response.contentType)
        headers.add(name: "Content-Length", value: String(response.body.utf8.count))
        headers.add(name: "Cache-Control", value: "no-store")
        if let allowed = response.allowed { headers.add(name: "Allow", value: allowed) }
        if closes { headers.add(name: "Connection", value: "close") }
        let head = HTTPResponseHead(version: .http1_1, status: response.status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !isHead {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: response.body)))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        if closes { context.close(promise: nil) }
    }

    func handlerAdded(context: ChannelHandlerContext) { restartTimeout(context) }
    func handlerRemoved(context: ChannelHandlerContext) { timeout?.cancel() }

    /// Counts from request to request, not from byte to byte: bytes that trickle in buy no time.
    private func restartTimeout(_ context: ChannelHandlerContext) {
        timeout?.cancel()
        timeout = context.eventLoop.assumeIsolated().scheduleTask(in: limit) { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

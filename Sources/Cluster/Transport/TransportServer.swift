import CoreMetrics
import Identity
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Wire

/// Listens for other nodes and serves their calls and streams.
///
///     let server = TransportServer(identity: identity, group: group)
///     server.register(.slot, handler)
///     let address = try await server.start(host: "127.0.0.1", port: 0)
///     …
///     await server.shutdown(within: .seconds(5))
public final class TransportServer: Sendable {
    private struct Connection {
        var channel: any Channel
        var mailbox: Mailbox<ConnectionCommand>
    }

    private struct State {
        var services = TransportServices()
        var listener: (any Channel)?
        var connections: [UInt64: Connection] = [:]
        var lastNumber: UInt64 = 0
        var isDown = false
    }

    private let identity: TransportIdentity
    private let group: any EventLoopGroup
    private let limits: TransportLimits
    private let tls: TransportTLS?
    private let metrics: TransportMetrics
    private let logger: Logger
    /// Touched when a connection comes or goes, never by a call.
    private let state = Mutex(State())

    public init(
        identity: TransportIdentity, group: any EventLoopGroup, limits: TransportLimits = TransportLimits(),
        tls: TransportTLS? = nil, logger: Logger = Logger(label: "transport"),
        metrics factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self.identity = identity
        self.group = group
        self.limits = limits
        self.tls = tls
        metrics = TransportMetrics(.accepted, factory: factory)
        self.logger = logger
    }

    /// Serves a method's calls, on connections that come from now on: register before ``start(host:port:)``.
    public func register(_ method: CallMethod, _ handler: any CallHandler) {
        state.withLock { $0.services.handlers[method] = handler }
    }

    /// Accepts a method's streams, on connections that come from now on: register before ``start(host:port:)``.
    public func register(_ method: CallMethod, acceptor: any StreamAcceptor) {
        state.withLock { $0.services.acceptors[method] = acceptor }
    }

    /// Where the server listens; `nil` before ``start(host:port:)``.
    public var boundAddress: SocketAddress? { state.withLock { $0.listener?.localAddress } }

    /// Listens.
    ///
    /// - Parameter port: 0 lets the system choose.
    /// - Returns: the address with its port.
    /// - Throws: when the address cannot be bound.
    @discardableResult
    public func start(host: String, port: Int) async throws -> SocketAddress {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: TransportServer.waterMark)
            .childChannelOption(.recvAllocator, value: TransportServer.receiveAllocator)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.accept(channel) }
            }
        let listener = try await bootstrap.bind(host: host, port: port).get()
        guard let address = listener.localAddress else { throw ChannelError.unknownLocalAddress }
        state.withLock { $0.listener = listener }
        return address
    }

    /// When a connection's unwritten bytes pass the upper mark, no more requests are read from it.
    static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 1 << 20, high: 4 << 20)
    static let receiveAllocator = AdaptiveRecvByteBufferAllocator(minimum: 2_048, initial: 16_384, maximum: 262_144)

    private func accept(_ channel: any Channel) throws {
        let admitted = state.withLock { state -> (UInt64, TransportServices)? in
            guard !state.isDown, state.connections.count < limits.connections else { return nil }
            state.lastNumber += 1
            return (state.lastNumber, state.services)
        }
        guard let (number, services) = admitted else {
            logger.warning("connection turned away", metadata: ["limit": "\(limits.connections)"])
            throw ChannelError.operationUnsupported
        }
        let handler = ConnectionHandler(
            number: number, role: .accepting, lane: .control, identity: identity, services: services, limits: limits,
            usesTLS: tls != nil, metrics: metrics, logger: logger, eventLoop: channel.eventLoop)
        handler.onClosed = { [weak self] _ in
            _ = self?.state.withLock { $0.connections.removeValue(forKey: number) }
        }
        let connection = Connection(channel: channel, mailbox: handler.mailbox)
        state.withLock { $0.connections[number] = connection }
        try tls?.addServerHandler(to: channel)
        try channel.pipeline.syncOperations.addHandler(handler)
    }

    /// Takes no new connections and calls, lets those under way finish, and closes.
    ///
    /// - Parameter grace: after it, what still runs is cancelled and its connections are cut.
    public func shutdown(within grace: Duration) async {
        let (listener, connections) = state.withLock { state in
            state.isDown = true
            return (state.listener, Array(state.connections.values))
        }
        try? await listener?.close()
        for connection in connections { connection.mailbox.post(.drain("the node shuts down")) }
        let cut = group.next().scheduleTask(in: .nanoseconds(Int64(clamping: grace.nanoseconds))) {
            for connection in connections { connection.channel.close(promise: nil) }
        }
        for connection in connections { try? await connection.channel.closeFuture.get() }
        cut.cancel()
    }
}

extension Duration {
    /// Whole nanoseconds, at most what an Int64 holds.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : product.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
    }
}

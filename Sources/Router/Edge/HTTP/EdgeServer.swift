import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// The clients' listener: HTTP/1.1 on SwiftNIO, a ``Responder`` and a ``ConnectionSweep`` for each event loop.
public final class EdgeServer: Sendable {
    private let listener: any Channel
    private let loops: [NIOLoopBound<ConnectionSweep>]
    private let open: ConnectionCount
    private let logger: Logger

    private init(
        listener: any Channel, loops: [NIOLoopBound<ConnectionSweep>], open: ConnectionCount, logger: Logger
    ) {
        self.listener = listener
        self.loops = loops
        self.open = open
        self.logger = logger
    }

    /// Listens at `host` and `port`; port 0 lets the system choose.
    ///
    /// - Throws: when the address cannot be bound.
    public static func start(
        host: String, port: Int, service: EdgeService, limits: EdgeLimits = EdgeLimits(), group: any EventLoopGroup,
        logger: Logger
    ) async throws -> EdgeServer {
        var shells: [ObjectIdentifier: (responder: Responder, sweep: NIOLoopBound<ConnectionSweep>)] = [:]
        for loop in group.makeIterator() {
            let sweep = try await loop.submit {
                NIOLoopBound(ConnectionSweep(eventLoop: loop), eventLoop: loop)
            }.get()
            shells[ObjectIdentifier(loop)] = (Responder(eventLoop: loop, service: service), sweep)
        }
        let open = ConnectionCount(maximum: limits.maximumConnections)
        var decoderLimits = NIOHTTPDecoderLimitConfiguration()
        decoderLimits.maxHeaderFieldSize = limits.maximumHeaderBytes
        decoderLimits.maxHeaderListSize = limits.maximumHeaderBytes
        decoderLimits.maxHeaderFieldCount = limits.maximumHeaderFields
        try PipelineTypes.build()
        let listener = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { [shells, decoderLimits] channel in
                guard let shell = shells[ObjectIdentifier(channel.eventLoop)], open.enter() else {
                    return channel.close()
                }
                channel.closeFuture.whenComplete { _ in open.leave() }
                return channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(HTTPResponseEncoder())
                    try pipeline.addHandler(
                        ByteToMessageHandler(
                            HTTPRequestDecoder(
                                leftOverBytesStrategy: .forwardBytes, limitConfiguration: decoderLimits)))
                    try pipeline.addHandler(
                        ConnectionHandler(limits: limits, responder: shell.responder, sweep: shell.sweep.value))
                }
            }
            .bind(host: host, port: port).get()
        logger.info(
            "listening for clients", metadata: ["address": "\(listener.localAddress?.description ?? "unknown")"])
        return EdgeServer(listener: listener, loops: shells.values.map(\.sweep), open: open, logger: logger)
    }

    /// The port that clients reach.
    public var port: Int { listener.localAddress?.port ?? 0 }

    /// Open client connections.
    public var connections: Int { open.count }

    /// Stops listening, lets requests in progress finish, and closes the other connections.
    ///
    /// - Returns: `false` when some were still open at the end of `patience`; they are left to the process's exit.
    @discardableResult
    public func shutdown(patience: Duration) async -> Bool {
        do {
            try await listener.close()
        } catch {
            // Closed already: there is nothing to stop.
            logger.debug("the listener was closed", metadata: ["error": "\(error)"])
        }
        for sweep in loops { sweep.run { $0.drain() } }
        let end = ContinuousClock.now + patience
        while open.count > 0, ContinuousClock.now < end {
            // Cancelled: the process ends anyway.
            guard (try? await Task.sleep(for: .milliseconds(20))) != nil else { break }
        }
        return open.count == 0
    }
}

extension NIOLoopBound where Value == ConnectionSweep {
    fileprivate func run(_ body: @escaping @Sendable (ConnectionSweep) -> Void) {
        eventLoop.execute { body(self.value) }
    }
}

/// Counts open connections against their limit.
private final class ConnectionCount: Sendable {
    private let open = Atomic<Int>(0)
    private let maximum: Int

    init(maximum: Int) { self.maximum = maximum }

    var count: Int { open.load(ordering: .relaxed) }

    func enter() -> Bool {
        guard open.wrappingAdd(1, ordering: .relaxed).newValue <= maximum else {
            open.wrappingSubtract(1, ordering: .relaxed)
            return false
        }
        return true
    }

    func leave() { open.wrappingSubtract(1, ordering: .relaxed) }
}

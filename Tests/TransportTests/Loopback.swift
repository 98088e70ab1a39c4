import CoreMetrics
import Identity
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

@testable import Transport

/// A server and a client on loopback, stopped at the end of the test.
struct Loopback {
    static let group = MultiThreadedEventLoopGroup.singleton

    let server: TransportServer
    let client: TransportClient
    let address: NodeAddress

    struct Options {
        var serverLimits = TransportLimits()
        var clientLimits = TransportLimits()
        var serverCluster: ClusterID?
        var clientCluster: ClusterID?
        var serverTLS: TransportTLS?
        var clientTLS: TransportTLS?
        var serverNode = "server"
        var clientNode = "client"
        /// The node that the client believes to dial.
        var dialledNode = "server"
        var clientMetrics: any MetricsFactory = NOOPMetricsHandler.instance
        var serverMetrics: any MetricsFactory = NOOPMetricsHandler.instance
    }

    static func run(
        _ options: Options = Options(), register: (TransportServer) -> Void = { _ in },
        _ body: (Loopback) async throws -> Void
    ) async throws {
        let server = TransportServer(
            identity: TransportIdentity(node: node(options.serverNode), cluster: { options.serverCluster }),
            group: group, limits: options.serverLimits, tls: options.serverTLS, metrics: options.serverMetrics)
        register(server)
        let bound = try await server.start(host: "127.0.0.1", port: 0)
        let client = TransportClient(
            identity: TransportIdentity(node: node(options.clientNode), cluster: { options.clientCluster }),
            group: group, limits: options.clientLimits, tls: options.clientTLS, metrics: options.clientMetrics)
        let address = NodeAddress(node: node(options.dialledNode), host: "127.0.0.1", port: bound.port ?? 0)
        let loopback = Loopback(server: server, client: client, address: address)
        do {
            try await body(loopback)
        } catch {
            await loopback.stop()
            throw error
        }
        await loopback.stop()
    }

    private func stop() async {
        await client.shutdown()
        await server.shutdown(within: .seconds(2))
    }

    func call(
        _ method: CallMethod = .slot, _ body: String = "", lane: Lane = .request, within: TimeAmount = .seconds(10)
    ) async throws -> String {
        let reply = try await client.call(
            method, body: ByteBuffer(string: body), to: address, lane: lane, deadline: .now() + within)
        return String(buffer: reply)
    }

    /// The call's failure; `nil` when it is answered.
    func failure(
        _ method: CallMethod = .slot, _ body: String = "", within: TimeAmount = .seconds(10)
    ) async -> CallFailure? {
        do throws(CallFailure) {
            _ = try await client.call(
                method, body: ByteBuffer(string: body), to: address, lane: .request, deadline: .now() + within)
            return nil
        } catch {
            return error
        }
    }
}

func node(_ name: String) -> NodeID {
    guard let node = NodeID(rawValue: name) else { preconditionFailure("a test's node name is invalid") }
    return node
}

/// A handler made of a closure.
struct Handler: CallHandler {
    let body: @Sendable (InboundCall) async throws(CallFailure) -> ByteBuffer

    init(_ body: @escaping @Sendable (InboundCall) async throws(CallFailure) -> ByteBuffer) { self.body = body }
    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer { try await body(call) }
}

/// A direct handler made of a closure.
struct DirectHandler: DirectCallHandler {
    typealias Reply = @Sendable (Result<ByteBuffer, CallFailure>) -> Void
    let body: @Sendable (InboundCall, @escaping Reply) -> Void

    init(_ body: @escaping @Sendable (InboundCall, @escaping Reply) -> Void) { self.body = body }
    func handle(_ call: InboundCall, reply: @escaping Reply) { body(call, reply) }
}

/// A gate that waiters pass once it is opened.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }
    func open() { continuation.finish() }
    /// Returns when the gate is open, or the task is cancelled.
    func wait() async { for await _ in stream {} }
}

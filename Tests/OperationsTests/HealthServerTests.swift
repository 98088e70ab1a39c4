import Foundation
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Operations

@Suite struct HealthServerTests {
    private struct Server {
        let readiness = Readiness()
        let telemetry = Telemetry(
            logLevel: LogLevelSwitch(.info), metrics: MetricsRegistry(), sink: LogSink(descriptor: -1))
        var port = 0

        /// Sends `request` on a connection of its own and returns all that comes back until the server closes.
        func exchange(_ request: String) async throws -> String {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            return try await channel.executeThenClose { inbound, outbound in
                do {
                    try await outbound.write(ByteBuffer(string: request))
                } catch let error as ChannelError where error == .ioOnClosedChannel {
                    // The server may have given up on the connection before a busy machine came to write.
                    return ""
                }
                var all = ByteBuffer()
                for try await part in inbound { all.writeImmutableBuffer(part) }
                return String(buffer: all)
            }
        }

        func request(_ method: String, _ path: String, body: String = "") async throws -> (status: Int, body: String) {
            let answer = try await exchange(
                "\(method) \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                    + body)
            let parts = answer.components(separatedBy: "\r\n\r\n")
            let status = answer.split(separator: " ").dropFirst().first.flatMap { Int($0) }
            return (status ?? 0, parts.dropFirst().joined(separator: "\r\n\r\n"))
        }
    }

    /// Passes on what comes in.
    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let receive: (String) -> Void

        init(_ receive: @escaping (String) -> Void) { self.receive = receive }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            receive(String(buffer: unwrapInboundIn(data)))
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private func withServer(
        timeout: TimeAmount = .minutes(5), _ body: (Server) async throws -> Void
    ) async throws {
        var server = Server()
        let health = HealthServer(
            readiness: server.readiness, telemetry: server.telemetry, group: MultiThreadedEventLoopGroup.singleton,
            timeout: timeout)
        server.port = try await health.start(host: "127.0.0.1", port: 0).port ?? 0
        do {
            try await body(server)
        } catch {
            await health.shutdown()
            throw error
        }
        await health.shutdown()
    }

    @Test func aProcessIsLiveBeforeItIsReady() async throws {
        try await withServer { server in
            let live = try await server.request("GET", "/health/live")
            #expect(live.status == 200)
            let starting = try await server.request("GET", "/health/ready")
            #expect(starting.status == 503)
            #expect(starting.body.contains("\"starting\":\"the process starts\""))
            server.readiness.block("coordinator", "no \"connection\"")
            server.readiness.clear(Readiness.starting)
            let waiting = try await server.request("GET", "/health/ready")
            #expect(
                waiting.body == "{\"status\":\"not ready\",\"reasons\":{\"coordinator\":\"no \\\"connection\\\"\"}}")
            server.readiness.clear("coordinator")
            let ready = try await server.request("GET", "/health/ready")
            #expect(ready.status == 200)
            #expect(ready.body == "{\"status\":\"ready\"}")
        }
    }

    @Test func metricsAreServed() async throws {
        try await withServer { server in
            let metrics = try await server.request("GET", "/metrics")
            #expect(metrics.status == 200)
            #expect(metrics.body.contains("process_cpu_seconds_total"))
        }
    }

    @Test func theLogLevelIsChangedByPut() async throws {
        try await withServer { server in
            let changed = try await server.request("PUT", "/log-level", body: "debug\n")
            #expect(changed.status == 200)
            #expect(server.telemetry.logLevel.level == .debug)
            let refused = try await server.request("PUT", "/log-level", body: "loud")
            #expect(refused.status == 400)
            #expect(server.telemetry.logLevel.level == .debug)
        }
    }

    @Test func otherPathsMethodsAndBodiesAreRefused() async throws {
        try await withServer { server in
            let unknown = try await server.request("GET", "/etc/passwd")
            #expect(unknown.status == 404)
            let forbidden = try await server.request("POST", "/metrics")
            #expect(forbidden.status == 405)
            let large = String(repeating: "x", count: HealthServer.maximumBody + 1)
            let refused = try await server.request("PUT", "/log-level", body: large)
            #expect(refused.status == 413)
            let malformed = try await server.exchange("nonsense\r\n\r\n")
            #expect(malformed.hasPrefix("HTTP/1.1 400"))
        }
    }

    @Test func aConnectionWithoutARequestIsClosed() async throws {
        try await withServer(timeout: .milliseconds(50)) { server in
            let received = Mutex("")
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            Reader { part in received.withLock { $0 += part } })
                    }
                }
                .connect(host: "127.0.0.1", port: server.port).get()
            // On a slow machine the time is over before anything is written.
            try? await channel.writeAndFlush(ByteBuffer(string: "GET /metrics HTTP/1.1\r\nHost:"))
            try await channel.closeFuture.get()
            #expect(received.withLock { $0 }.isEmpty)
        }
    }
}

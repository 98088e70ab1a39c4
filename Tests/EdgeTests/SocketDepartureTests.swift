import Foundation
import Glibc
import Identity
import NIOCore
import NIOPosix
import Operations
import Placement
import Testing

@testable import Edge

@Suite("WebSockets on their way to a gateway", .timeLimit(.minutes(5)))
struct SocketDepartureTests {
    private static let upgrade =
        "GET /gateway?v=10&encoding=json HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

    private func gateway(_ name: String, machine: String = "here", path: String = "", port: Int = 0) -> NodeRecord {
        NodeRecord(
            id: NodeID(rawValue: name)!, roles: [.gateway], host: "127.0.0.1", port: 1, machine: machine,
            socketPath: path, clientURL: port == 0 ? "" : "ws://127.0.0.1:\(port)")
    }

    /// A gateway's Unix socket in a folder of its own.
    private final class Gateway {
        let path: String
        let listener: Int32

        init() throws {
            path = "/tmp/edge-\(UUID().uuidString.prefix(8)).sock"
            listener = try SocketPassing.listen(path: path)
        }

        deinit {
            close(listener)
            unlink(path)
        }

        func next() async throws -> (descriptor: Int32, handover: SocketPassing.Handover, connection: Int32) {
            var connection: Int32?
            while true {
                if connection == nil { connection = try SocketPassing.accept(from: listener) }
                if let connection, let (descriptor, handover) = try SocketPassing.receive(from: connection) {
                    return (descriptor, handover, connection)
                }
                try await Task.sleep(for: .milliseconds(2))
            }
        }
    }

    @Test("the socket itself goes to a gateway of this machine, with what was read, and lives on there")
    func handover() async throws {
        let here = try Gateway()
        let view = FakeView(gateways: [
            gateway("gateway-1", path: "/nonexistent/socket"), gateway("gateway-2", path: here.path),
            gateway("gateway-3", machine: "elsewhere", path: here.path + "x"),
        ])
        try await RunningEdge.run(view: view) { edge in
            let client = try RawClient(port: edge.server.port)
            // On a connection that was used before, as libraries with a pool do.
            #expect(try await client.request("GET", "/api/v10/gateway").status == 200)
            try client.send(Self.upgrade + "early bytes")
            let (descriptor, handover, connection) = try await here.next()
            defer {
                close(descriptor)
                close(connection)
            }
            #expect(handover.peerAddress.hasPrefix("127.0.0.1:"))
            let text = String(buffer: handover.received)
            #expect(text.hasPrefix("GET /gateway?v=10&encoding=json HTTP/1.1\r\n"))
            #expect(text.contains("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))
            #expect(text.hasSuffix("\r\n\r\nearly bytes"))
            while edge.server.connections > 0 { try await Task.sleep(for: .milliseconds(2)) }
            // The router has closed its copy; the client did not notice.
            #expect(send(descriptor, "hello", 5, 0) == 5)
            #expect(try await client.receive() == Array("hello".utf8))
        }
    }

    @Test("clients are given to the gateways in turn")
    func rotation() async throws {
        let gateways = [try Gateway(), try Gateway()]
        let view = FakeView(
            gateways: gateways.enumerated().map { gateway("gateway-\($0.offset)", path: $0.element.path) })
        try await RunningEdge.run(view: view) { edge in
            var clients: [RawClient] = []
            for _ in 0..<2 {
                let client = try RawClient(port: edge.server.port)
                try client.send(Self.upgrade)
                clients.append(client)
            }
            for gateway in gateways {
                let (descriptor, _, connection) = try await gateway.next()
                close(descriptor)
                close(connection)
            }
        }
    }

    @Test("a gateway elsewhere is reached by proxying, both ways, and ends end both ways")
    func proxy() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let echo = try await ServerBootstrap(group: group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Echo()) }
        }.bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(echo.localAddress?.port)
        let view = FakeView(gateways: [gateway("gateway-1", machine: "elsewhere", port: port)])
        try await RunningEdge.run(view: view) { edge in
            let client = try RawClient(port: edge.server.port)
            try client.send(Self.upgrade)
            var received: [UInt8] = []
            while received.count < Self.upgrade.utf8.count { received += try await client.receive() }
            #expect(String(decoding: received, as: UTF8.self).contains("Sec-WebSocket-Key"))
            // More than all buffers between hold, so that backpressure must work and nothing may be lost.
            let block = String(repeating: "0123456789abcdef", count: 4096)
            let sender = Task { for _ in 0..<64 { try client.send(block) } }
            var total = 0
            while total < 64 * block.utf8.count {
                let bytes = try await client.receive()
                guard !bytes.isEmpty else { break }
                total += bytes.count
            }
            try await sender.value
            #expect(total == 64 * block.utf8.count)
            try client.send("bye")
            while try await !client.receive().isEmpty {}
        }
        try await echo.close()
    }

    @Test("without a gateway the client is told 503 and may come again")
    func nobody() async throws {
        let view = FakeView(gateways: [gateway("gateway-1", path: "/nonexistent/socket", port: 1)])
        for view in [view, FakeView()] {
            try await RunningEdge.run(view: view) { edge in
                let client = try RawClient(port: edge.server.port)
                try client.send(Self.upgrade)
                let answer = try await client.answer()
                #expect(answer.status == 503 && answer.headers["retry-after"] == "1")
                try await client.end()
            }
        }
    }

    @Test("an upgrade elsewhere is an ordinary request")
    func elsewhere() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            try client.send(
                "GET /api/v10/gateway HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.status == 200 && answer.headers["connection"] == "close")
        }
    }

    /// Sends back what comes, and closes after "bye".
    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            let ends = bytes.readableBytesView.suffix(3).elementsEqual("bye".utf8)
            context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
            if ends { context.close(promise: nil) }
        }
    }
}

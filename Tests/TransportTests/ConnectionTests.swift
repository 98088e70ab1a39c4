import Identity
import NIOCore
import NIOPosix
import Testing
import Wire

@testable import Transport

@Suite struct ConnectionTests {
    /// A listener that never says anything; each end of a connection is an element of `ended`.
    private func silentListener() async throws -> (channel: any Channel, ended: AsyncStream<Void>) {
        let (ended, continuation) = AsyncStream<Void>.makeStream()
        let channel = try await ServerBootstrap(group: Loopback.group)
            .childChannelInitializer { child in
                child.closeFuture.whenComplete { _ in continuation.yield() }
                return child.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return (channel, ended)
    }

    private func client(_ limits: TransportLimits = TransportLimits()) -> TransportClient {
        TransportClient(
            identity: TransportIdentity(node: node("client"), cluster: { nil }), group: Loopback.group, limits: limits)
    }

    private func failure(
        _ client: TransportClient, port: Int, within: TimeAmount = .seconds(10)
    ) async -> CallFailure? {
        do throws(CallFailure) {
            _ = try await client.call(
                .slot, body: ByteBuffer(), to: NodeAddress(node: node("server"), host: "127.0.0.1", port: port),
                lane: .request, deadline: .now() + within)
            return nil
        } catch {
            return error
        }
    }

    @Test func aForeignClusterIsRefusedAndTheCallerToldWhy() async throws {
        var options = Loopback.Options()
        options.serverCluster = ClusterID(rawValue: String(repeating: "a", count: 32))
        options.clientCluster = ClusterID(rawValue: String(repeating: "b", count: 32))
        try await Loopback.run(options) {
            $0.register(.slot, Handler { $0.body })
        } _: { loopback in
            guard case .unreachable(let reason)? = await loopback.failure() else {
                Issue.record("the call was not refused as unreachable")
                return
            }
            #expect(reason.contains("we belong to cluster aaaa"))
        }
    }

    @Test func anotherNodeAtTheAddressIsNotCalled() async throws {
        var options = Loopback.Options()
        options.dialledNode = "guild-7"
        try await Loopback.run(options) {
            $0.register(.slot, Handler { $0.body })
        } _: { loopback in
            guard case .unreachable(let reason)? = await loopback.failure() else {
                Issue.record("the call was not refused as unreachable")
                return
            }
            #expect(reason.contains("dialled guild-7, server answered"))
        }
    }

    @Test func aPeerThatAcceptsAndSaysNothingIsGivenUp() async throws {
        let (listener, ended) = try await silentListener()
        var limits = TransportLimits()
        // Long enough for the connection itself, also on a busy machine.
        limits.handshakeTimeout = .milliseconds(500)
        let client = client(limits)
        guard case .unreachable(let reason)? = await failure(client, port: listener.localAddress?.port ?? 0) else {
            Issue.record("the call did not fail as unreachable")
            return
        }
        #expect(reason.contains("no handshake within"))
        for await _ in ended { break }
        await client.shutdown()
        try await listener.close()
    }

    @Test func aCallThatWaitsForAConnectionKeepsItsDeadline() async throws {
        let (listener, _) = try await silentListener()
        let client = client()
        #expect(
            await failure(client, port: listener.localAddress?.port ?? 0, within: .milliseconds(20))
                == .deadlineExceeded)
        await client.shutdown()
        try await listener.close()
    }

    @Test func aClientThatConnectsAndSaysNothingIsClosed() async throws {
        var options = Loopback.Options()
        options.serverLimits.handshakeTimeout = .milliseconds(50)
        try await Loopback.run(options) { loopback in
            let channel = try await ClientBootstrap(group: Loopback.group)
                .connect(host: "127.0.0.1", port: loopback.address.port).get()
            try await channel.closeFuture.get()
        }
    }

    @Test func aPeerThatFallsSilentIsClosed() async throws {
        var options = Loopback.Options()
        options.serverLimits.pingInterval = .milliseconds(20)
        options.serverLimits.silenceTimeout = .milliseconds(60)
        try await Loopback.run(options) { loopback in
            let channel = try await ClientBootstrap(group: Loopback.group)
                .connect(host: "127.0.0.1", port: loopback.address.port).get()
            var output = FrameOutput()
            output.appendPreface()
            output.append(.hello) {
                Hello(versions: 1...1, node: node("client"), cluster: nil, lane: 2).encode(into: &$0)
            }
            for buffer in output.take() { try await channel.writeAndFlush(buffer) }
            try await channel.closeFuture.get()
        }
    }

    @Test func aLostConnectionIsDialledAgain() async throws {
        let client = client()
        func server(port: Int) async throws -> (TransportServer, Int) {
            let server = TransportServer(
                identity: TransportIdentity(node: node("server"), cluster: { nil }), group: Loopback.group)
            server.register(.slot, Handler { $0.body })
            let address = try await server.start(host: "127.0.0.1", port: port)
            return (server, address.port ?? 0)
        }
        let (first, port) = try await server(port: 0)
        #expect(await failure(client, port: port) == nil)
        await first.shutdown(within: .seconds(1))
        guard case .unreachable? = await failure(client, port: port) else {
            Issue.record("a call to a stopped server did not fail as unreachable")
            return
        }
        let (second, _) = try await server(port: port)
        // Calls fail until the delay after the refused attempt is over; the loop ends at the first success.
        let limit = NIODeadline.now() + .seconds(10)
        while await failure(client, port: port) != nil, NIODeadline.now() < limit {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(NIODeadline.now() < limit)
        await client.shutdown()
        await second.shutdown(within: .seconds(1))
    }

    @Test func callsUnderWayFailAsLostWhenTheServerIsCut() async throws {
        let started = Gate()
        let gate = Gate()
        try await Loopback.run {
            $0.register(
                .slot,
                Handler { call in
                    started.open()
                    await gate.wait()
                    return call.body
                })
        } _: { loopback in
            let call = Task { await loopback.failure() }
            await started.wait()
            await loopback.server.shutdown(within: .milliseconds(20))
            #expect(await call.value == .connectionLost)
        }
    }

    @Test func aServerThatShutsDownFinishesItsCalls() async throws {
        let started = Gate()
        let gate = Gate()
        try await Loopback.run {
            $0.register(
                .slot,
                Handler { call in
                    started.open()
                    await gate.wait()
                    return call.body
                })
        } _: { loopback in
            let call = Task { await loopback.failure() }
            await started.wait()
            let shutdown = Task { await loopback.server.shutdown(within: .seconds(10)) }
            // The drain reaches the client before the gate opens: a new call is turned away.
            let limit = NIODeadline.now() + .seconds(5)
            while NIODeadline.now() < limit {
                if case .unreachable? = await loopback.failure(within: .milliseconds(50)) { break }
            }
            gate.open()
            #expect(await call.value == nil)
            await shutdown.value
        }
    }

    @Test func connectionsBeyondTheBoundAreTurnedAway() async throws {
        var options = Loopback.Options()
        options.serverLimits.connections = 1
        try await Loopback.run(options) {
            $0.register(.slot, Handler { $0.body })
        } _: { loopback in
            #expect(await loopback.failure() == nil)
            let channel = try await ClientBootstrap(group: Loopback.group)
                .connect(host: "127.0.0.1", port: loopback.address.port).get()
            try await channel.closeFuture.get()
            #expect(await loopback.failure() == nil)
        }
    }

    @Test func theCallerOfACompletionGetsIt() async throws {
        try await Loopback.run {
            $0.register(.slot, Handler { $0.body })
        } _: { loopback in
            let result = await withCheckedContinuation { continuation in
                loopback.client.call(
                    .slot, body: ByteBuffer(string: "x"), to: loopback.address, lane: .request,
                    deadline: .now() + .seconds(5), context: nil, completion: { continuation.resume(returning: $0) })
            }
            #expect(result == .success(ByteBuffer(string: "x")))
        }
    }
}

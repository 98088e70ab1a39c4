import Coordination
import Identity
import NIOCore
import Routing
import Testing
import Transport

@Suite(.timeLimit(.minutes(5))) struct RemoteCoordinatorTests {
    @Test func aWatchWhoseConnectionIsCutMissesAndRepeatsNothing() async throws {
        let fixture = try CoordinatorFixture(.remote)
        let total = 40 * 7
        let watch = Task { try await take(total, of: fixture.coordinator.watch(prefix: "k/", after: 0)) }
        var expected: [String] = []
        for round in 0..<40 {
            // Seven changes of one revision, so that cuts fall between them too.
            let keys = (0..<7).map { "k/\($0)" }
            expected += keys.map { "\($0)=\(round)" }
            _ = try await fixture.embedded.commit(
                CoordinatorTransaction(
                    operations: keys.map { .put($0, ByteBuffer(string: "\(round)"), lease: nil) }))
            fixture.network.cutStreams()
        }
        #expect(try await watch.value == expected)
    }

    @Test func aSlowWatcherIsWaitedForNotDropped() async throws {
        let fixture = try CoordinatorFixture(.remote)
        let puts = (0..<60).map { CoordinatorTransaction.Operation.put("k/\($0)", ByteBuffer(), lease: nil) }
        var seen = 0
        _ = try await fixture.embedded.commit(CoordinatorTransaction(operations: puts))
        for try await _ in fixture.coordinator.watch(prefix: "", after: 0) {
            seen += 1
            if seen % 20 == 0 { try await Task.sleep(for: .milliseconds(30)) }
            if seen == 60 { break }
        }
        #expect(seen == 60)
    }

    @Test func aForgottenWatchClosesItsStream() async throws {
        let fixture = try CoordinatorFixture(.remote)
        _ = try await fixture.embedded.put("a", "1")
        #expect(try await take(1, of: fixture.coordinator.watch(prefix: "", after: 0)) == ["a=1"])
        while fixture.network.openStreams > 0 { try await Task.sleep(for: .milliseconds(5)) }
    }

    @Test func aCommitWhoseAnswerIsLostIsNotRepeated() async throws {
        let fixture = try CoordinatorFixture(.remote)
        fixture.network.loseReplies(1)
        await #expect(throws: CoordinatorFailure.self) { try await fixture.coordinator.put("a", "1") }
        #expect(fixture.network.calls.count == 1)
        #expect(try await fixture.embedded.list(prefix: "").revision == 1)
    }

    @Test func readsAndKeepAlivesAreRepeated() async throws {
        let fixture = try CoordinatorFixture(.remote)
        _ = try await fixture.coordinator.put("a", "1")
        let lease = try await fixture.coordinator.grantLease(.seconds(10))
        fixture.network.loseReplies(2)
        #expect(try await fixture.coordinator.value("a") == "1")
        fixture.network.loseReplies(2)
        try await fixture.coordinator.keepAlive(lease)
    }

    @Test func aCallWaitsForACoordinatorThatComesBack() async throws {
        let fixture = try CoordinatorFixture(.remote)
        fixture.network.setDown(CoordinatorFixture.router, true)
        let put = Task { try await fixture.coordinator.put("a", "1") }
        while fixture.network.calls.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
        fixture.network.setDown(CoordinatorFixture.router, false)
        #expect(try await put.value == 1)
    }

    @Test func aCoordinatorThatStaysAwayIsReportedInTime() async throws {
        var settings = RemoteCoordinator.Settings()
        settings.timeout = .milliseconds(100)
        let coordinator = RemoteCoordinator(
            client: LoopbackNetwork(), addresses: [CoordinatorFixture.address], settings: settings)
        await #expect(throws: CoordinatorFailure.self) { try await coordinator.get("a") }
    }

    @Test func theNextAddressIsTriedWhenOneDoesNotAnswer() async throws {
        let fixture = try CoordinatorFixture(.remote)
        let dead = NodeAddress(node: NodeID(rawValue: "router-0")!, host: "127.0.0.1", port: 1)
        let coordinator = RemoteCoordinator(client: fixture.network, addresses: [dead, CoordinatorFixture.address])
        #expect(try await coordinator.put("a", "1") == 1)
        #expect(fixture.network.calls.map(\.rawValue) == ["router-0", "router-1"])
    }

    @Test func garbageIsRefusedNotObeyed() async throws {
        let fixture = try CoordinatorFixture(.remote)
        let service = CoordinatorService(fixture.embedded)
        for bytes in [[], [0xff], [4, 3, 255, 255], Array(repeating: 0x80, count: 30)] as [[UInt8]] {
            await #expect(throws: CallFailure.self) {
                try await service.handle(
                    InboundCall(
                        method: .coordinator, body: ByteBuffer(bytes: bytes), peer: CoordinatorFixture.router,
                        deadline: .distantFuture))
            }
        }
    }

    @Test(arguments: [
        ("127.0.0.1:70", "router-1", "127.0.0.1", 70), ("edge@host:1", "edge", "host", 1),
        ("r.2@[::1]:65535", "r.2", "::1", 65_535),
    ])
    func addressesAreParsed(text: String, node: String, host: String, port: Int) {
        #expect(
            NodeAddress(coordinator: text)
                == NodeAddress(node: NodeID(rawValue: node)!, host: host, port: port))
    }

    @Test(arguments: ["", "host", ":1", "host:0", "host:65536", "host:x", "a@b@c:1", "A@h:1", "::1:5", "@h:1"])
    func otherAddressesAreNot(text: String) { #expect(NodeAddress(coordinator: text) == nil) }
}

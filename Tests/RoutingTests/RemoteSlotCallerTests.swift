import Identity
import NIOCore
import Placement
import Routing
import Synchronization
import Testing
import Transport
import Wire

/// Answers slot calls as scripted, and keeps what it was asked.
private final class ScriptedNode: CallHandler {
    private struct State {
        var script: [Result<SlotReply, CallFailure>]
        var seen: [SlotCall] = []
    }
    private let state: Mutex<State>

    init(_ script: Result<SlotReply, CallFailure>...) { state = Mutex(State(script: script)) }

    var seen: [SlotCall] { state.withLock { $0.seen } }

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        let decoded = try? SlotCall(decoding: call.body)
        let next = state.withLock { state in
            if let decoded { state.seen.append(decoded) }
            return state.script.isEmpty ? .success(.unavailable("not scripted")) : state.script.removeFirst()
        }
        return try next.get().encoded()
    }
}

@Suite(.timeLimit(.minutes(5))) struct RemoteSlotCallerTests {
    static let done = Result<SlotReply, CallFailure>.success(.done(ByteBuffer(string: "done")))
    let slot = Slot(truncating: 3)

    private func caller(_ fixture: ClusterFixture, _ member: ClusterMember) -> RemoteSlotCaller {
        RemoteSlotCaller(view: member, client: fixture.coordination.network)
    }

    private func call(
        _ caller: RemoteSlotCaller, requestID: RequestID? = nil, for time: TimeAmount = .seconds(240)
    ) async throws -> String {
        String(
            buffer: try await caller.call(
                slot, kind: .rest, body: ByteBuffer(string: "body"), requestID: requestID, deadline: .now() + time))
    }

    /// A member that routes, and two guild nodes `a` and `b` in its view, with slot 3 at `a` in epoch 1.
    private func fixture() async throws -> (ClusterFixture, [ClusterMember]) {
        let fixture = try await ClusterFixture()
        try await fixture.write(row(3, 1, "a"))
        let nodes = [try await fixture.member("a"), try await fixture.member("b")]
        let router = try await fixture.member("router", roles: [.router])
        return (fixture, [router] + nodes)
    }

    @Test func aCallReachesThePrimaryWithTheRowsEpoch() async throws {
        let (fixture, members) = try await fixture()
        let node = ScriptedNode(Self.done)
        fixture.coordination.network.serve(members[1].id, handler: node)
        #expect(try await call(caller(fixture, members[0])) == "done")
        #expect(node.seen.map(\.epoch) == [Epoch(rawValue: 1)])
        #expect(node.seen.map { String(buffer: $0.body) } == ["body"])
    }

    @Test func aMovedSlotIsFollowedToItsNewPrimary() async throws {
        let (fixture, members) = try await fixture()
        let old = ScriptedNode(.success(.moved(Epoch(rawValue: 2))))
        let new = ScriptedNode(Self.done)
        fixture.coordination.network.serve(members[1].id, handler: old)
        fixture.coordination.network.serve(members[2].id, handler: new)
        let id = RequestID(mintedMilliseconds: 5, random: 6)
        let answer = Task { try await call(caller(fixture, members[0]), requestID: id) }
        try await until { !old.seen.isEmpty }
        try await fixture.write(row(3, 2, "b"))
        #expect(try await answer.value == "done")
        #expect(new.seen.map(\.epoch) == [Epoch(rawValue: 2)])
        #expect((old.seen + new.seen).allSatisfy { $0.requestID == id }, "every retry carries the same id")
    }

    @Test(
        arguments: [
            Result.success(.unavailable("starting")), .failure(.unreachable("gone")), .failure(.overloaded),
            .failure(.connectionLost), .failure(.deadlineExceeded), .failure(.unknownMethod),
            .success(.moved(Epoch(rawValue: 1))), .success(.interrupted("retired")),
        ] as [Result<SlotReply, CallFailure>])
    func whatMayPassIsTriedAgain(first: Result<SlotReply, CallFailure>) async throws {
        let (fixture, members) = try await fixture()
        let node = ScriptedNode(first, Self.done)
        fixture.coordination.network.serve(members[1].id, handler: node)
        #expect(try await call(caller(fixture, members[0])) == "done")
        #expect(node.seen.count == 2)
    }

    @Test(
        arguments: [Result.success(.refused("malformed")), .failure(.refused("malformed"))]
            as [Result<SlotReply, CallFailure>])
    func whatWillNeverSucceedIsNot(answer: Result<SlotReply, CallFailure>) async throws {
        let (fixture, members) = try await fixture()
        let node = ScriptedNode(answer, Self.done)
        fixture.coordination.network.serve(members[1].id, handler: node)
        await #expect(throws: SlotCallFailure.refused("malformed")) { try await call(caller(fixture, members[0])) }
        #expect(node.seen.count == 1)
    }

    @Test func clocksApartEndItAtOnceUnlessAnAttemptMayHaveRun() async throws {
        let (fixture, members) = try await fixture()
        let node = ScriptedNode(.success(.clockApart("early")), Self.done)
        fixture.coordination.network.serve(members[1].id, handler: node)
        await #expect(throws: SlotCallFailure.clockApart("early")) { try await call(caller(fixture, members[0])) }
        #expect(node.seen.count == 1)
        fixture.coordination.network.serve(
            members[1].id, handler: ScriptedNode(.failure(.connectionLost), .success(.clockApart("early"))))
        await #expect(throws: SlotCallFailure.outcomeUnknown("early")) { try await call(caller(fixture, members[0])) }
    }

    @Test func theDeadlineEndsItWithTheLastReason() async throws {
        let (fixture, members) = try await fixture()
        fixture.coordination.network.serve(members[1].id, handler: ScriptedNode())
        await #expect(throws: SlotCallFailure.deadlineExceeded("not scripted")) {
            try await call(caller(fixture, members[0]), for: .milliseconds(80))
        }
        let nowhere = Slot(truncating: 900)
        await #expect(throws: SlotCallFailure.self) {
            try await caller(fixture, members[0]).call(
                nowhere, kind: .ping, body: ByteBuffer(), requestID: nil, deadline: .now() + .milliseconds(30))
        }
    }

    @Test(
        arguments: [.failure(.connectionLost), .failure(.deadlineExceeded), .success(.interrupted("retired"))]
            as [Result<SlotReply, CallFailure>])
    func afterAnAttemptThatMayHaveRunTheOutcomeIsUnknown(first: Result<SlotReply, CallFailure>) async throws {
        let (fixture, members) = try await fixture()
        fixture.coordination.network.serve(members[1].id, handler: ScriptedNode(first))
        await #expect(throws: SlotCallFailure.outcomeUnknown("not scripted")) {
            try await call(caller(fixture, members[0]), for: .milliseconds(80))
        }
        fixture.coordination.network.serve(
            members[1].id, handler: ScriptedNode(first, .success(.refused("the outcome is not known"))))
        await #expect(throws: SlotCallFailure.outcomeUnknown("the outcome is not known")) {
            try await call(caller(fixture, members[0]))
        }
    }

    @Test func aSlotWithoutARowIsWaitedFor() async throws {
        let fixture = try await ClusterFixture()
        let member = try await fixture.member("router", roles: [.router])
        let node = try await fixture.member("a")
        fixture.coordination.network.serve(node.id, handler: ScriptedNode(Self.done))
        let answer = Task { try await call(caller(fixture, member)) }
        try await fixture.write(row(3, 1, "a"))
        #expect(try await answer.value == "done")
    }

    @Test func aNodesOwnSlotsAreCalledWithoutASocket() async throws {
        let (fixture, members) = try await fixture()
        let node = ScriptedNode(Self.done)
        let caller = RemoteSlotCaller(
            view: members[1], client: fixture.coordination.network, localNode: members[1].id, localHandler: node)
        #expect(try await call(caller) == "done")
        #expect(node.seen.count == 1)
        #expect(fixture.coordination.network.calls.isEmpty)
    }

    @Test func aCancelledCallEnds() async throws {
        let (fixture, members) = try await fixture()
        let answer = Task { try await call(caller(fixture, members[0])) }
        answer.cancel()
        await #expect(throws: SlotCallFailure.self) { try await answer.value }
    }
}

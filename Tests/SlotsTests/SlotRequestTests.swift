import Identity
import NIOCore
import Slots
import Testing
import Wire

@Suite(.timeLimit(.minutes(10))) struct SlotRequestTests {
    @Test func aRetryGetsTheFirstAnswerAndChangesNothing() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let id = node.requestID()
        let first = try await node.text("increment", ["name": "a"], id: id)
        #expect(try await node.text("increment", ["name": "a"], id: id) == first)
        #expect(try await node.counter("a") == 1)
        await node.close()
    }

    @Test func retriesInFlightJoinTheFirst() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let id = node.requestID()
        let answers = try await withThrowingTaskGroup(of: String.self) { tasks in
            for _ in 0..<20 { tasks.addTask { try await node.text("increment", ["name": "a"], id: id) } }
            return try await tasks.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(answers.count == 1)
        #expect(try await node.counter("a") == 1)
        await node.close()
    }

    @Test func anAnswerByReferenceIsReadAgainWithItsStatus() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let id = node.requestID()
        #expect(try await node.text("increment_once", ["name": "a"], id: id, status: 201) == "1")
        _ = try await node.text("increment_once", ["name": "a"], status: 201)
        // What the read gives now, with the first answer's status.
        #expect(try await node.text("increment_once", ["name": "a"], id: id, status: 201) == "2")
        #expect(try await node.counter("a") == 2)
        await node.close()
    }

    @Test func aRetryAfterARestartGetsTheFirstAnswer() async throws {
        let folder = try TemporaryFolder()
        let before = try await TestNode(folder.path)
        let id = before.requestID()
        let first = try await before.text("increment", ["name": "a"], id: id)
        await before.close()
        let after = try await TestNode(folder.path, start: 2)
        #expect(try await after.text("increment", ["name": "a"], id: id) == first)
        #expect(try await after.counter("a") == 1)
        await after.close()
    }

    @Test(arguments: [Duration.seconds(121), .seconds(-121)])
    func idsOutsideTheMemoryAreRefused(age: Duration) async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        guard case .clockApart = await node.perform("increment", ["name": "a"], id: node.requestID(age)) else {
            Issue.record("the id was taken")
            return
        }
        #expect(try await node.counter("a") == 0)
        await node.close()
    }

    @Test func aCommandThatWaitedIsRememberedWithItsFinalAnswer() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let id = node.requestID()
        async let answer = node.text("wait", ["name": "a"], body: "1", id: id)
        #expect(try await node.reaches("waiters", 1))
        // A retry joins the one that waits.
        async let joined = node.text("wait", ["name": "a"], body: "1", id: id)
        _ = try await node.text("increment", ["name": "a"])
        #expect(try await answer == "reached 1")
        #expect(try await joined == "reached 1")
        _ = try await node.text("increment", ["name": "a"])
        #expect(try await node.text("wait", ["name": "a"], body: "1", id: id) == "reached 1")
        #expect(try await node.counter("waiters") == 1)
        await node.close()
    }

    @Test func aCommandWhoseWaitARestartEndedIsNotRunTwice() async throws {
        let folder = try TemporaryFolder()
        let before = try await TestNode(folder.path)
        let id = before.requestID()
        _ = await before.perform("wait", ["name": "a"], body: "9", id: id, deadline: .milliseconds(20))
        await before.close()
        let after = try await TestNode(folder.path, start: 2)
        #expect(
            await after.perform("wait", ["name": "a"], body: "9", id: id)
                == .refused("the outcome of the first attempt is not known"))
        #expect(try await after.counter("waiters") == 1)
        await after.close()
    }

    @Test func aWaitThatARestartEndedIsTakenUpAgainWhereItsCommandSaysHow() async throws {
        let folder = try TemporaryFolder()
        let before = try await TestNode(folder.path)
        let id = before.requestID()
        _ = await before.perform("wait_resumably", ["name": "a"], body: "1", id: id, deadline: .milliseconds(20))
        #expect(try await before.counter("waiters") == 1)
        await before.close()
        let after = try await TestNode(folder.path, start: 2)
        async let answer = after.text("wait_resumably", ["name": "a"], body: "1", id: id)
        #expect(try await after.reaches("resumed", 1))
        // A further retry joins the one that waits.
        async let joined = after.text("wait_resumably", ["name": "a"], body: "1", id: id)
        _ = try await after.text("increment", ["name": "a"])
        #expect(try await answer == "reached 1")
        #expect(try await joined == "reached 1")
        _ = try await after.text("increment", ["name": "a"])
        #expect(try await after.text("wait_resumably", ["name": "a"], body: "1", id: id) == "reached 1")
        #expect(try await after.counter("waiters") == 1)
        #expect(try await after.counter("resumed") == 1)
        await after.close()
    }

    @Test(arguments: ["increment", "offload", "wait", "send", "work"])
    func aChangeWithoutARequestIDIsRefusedAndLeavesNothing(operation: String) async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let request = RestRequest(
            operation: operation, parameters: ["name": "a", "slot": "7"], body: ByteBuffer(string: "1"))
        let reply = await node.node.perform(
            SlotCall(slot: TestNode.slot, epoch: .zero, requestID: nil, kind: .rest, body: request.encoded()),
            deadline: .now() + .minutes(5))
        #expect(reply == .refused("\(operation) changes state and has no request id"))
        for name in ["a", "offloaded", "waiters", "effects", "steps"] { #expect(try await node.counter(name) == 0) }
        await node.close()
    }
}

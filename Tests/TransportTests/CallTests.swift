import Dispatch
import NIOCore
import Synchronization
import Testing
import Wire

@testable import Transport

@Suite struct CallTests {
    @Test func aCallIsAnsweredWithTheHandlersBody() async throws {
        try await Loopback.run {
            $0.register(.slot, Handler { call in ByteBuffer(string: "\(call.peer): \(String(buffer: call.body))") })
        } _: { loopback in
            let reply = try await loopback.call(.slot, "hello")
            #expect(reply == "client: hello")
        }
    }

    @Test func aDirectHandlerAnswersWithoutATask() async throws {
        try await Loopback.run {
            $0.register(
                .slot,
                DirectHandler { call, reply in
                    switch String(buffer: call.body) {
                    case "later": DispatchQueue.global().async { reply(.success(ByteBuffer(string: "then"))) }
                    case "never": reply(.failure(.refused("no")))
                    case let body: reply(.success(ByteBuffer(string: body)))
                    }
                })
        } _: { loopback in
            let now = try await loopback.call(.slot, "now")
            #expect(now == "now")
            let later = try await loopback.call(.slot, "later")
            #expect(later == "then")
            await #expect(throws: CallFailure.refused("no")) { _ = try await loopback.call(.slot, "never") }
        }
    }

    @Test func aDirectHandlersReplyAfterTheDeadlineIsDropped() async throws {
        let late = Mutex<(@Sendable (Result<ByteBuffer, CallFailure>) -> Void)?>(nil)
        try await Loopback.run {
            $0.register(
                .slot,
                DirectHandler { call, reply in
                    guard String(buffer: call.body) == "late" else { return reply(.success(call.body)) }
                    late.withLock { $0 = reply }
                })
        } _: { loopback in
            let first = try await loopback.call(.slot, "first")
            #expect(first == "first")
            await #expect(throws: CallFailure.deadlineExceeded) {
                _ = try await loopback.call(.slot, "late", within: .seconds(1))
            }
            let reply = try #require(late.withLock { $0 })
            reply(.success(ByteBuffer(string: "too late")))
            let next = try await loopback.call(.slot, "next")
            #expect(next == "next")
        }
    }

    @Test func largeBodiesArriveWhole() async throws {
        let body = String(repeating: "0123456789abcdef", count: 1 << 18)
        try await Loopback.run {
            $0.register(.slot, Handler { $0.body })
        } _: { loopback in
            let reply = try await loopback.call(.slot, body)
            #expect(reply == body)
        }
    }

    @Test func concurrentCallsAreEachAnsweredWithTheirOwn() async throws {
        try await Loopback.run {
            $0.register(.slot, Handler { $0.body })
        } _: { loopback in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<2_000 {
                    group.addTask { try await loopback.call(.slot, "\(number)") == "\(number)" }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func anUnknownMethodIsRefused() async throws {
        try await Loopback.run { loopback in
            #expect(await loopback.failure(.status) == .unknownMethod)
        }
    }

    @Test func aHandlersRefusalReachesTheCaller() async throws {
        try await Loopback.run {
            $0.register(.slot, Handler { _ throws(CallFailure) in throw .refused("not today") })
        } _: { loopback in
            #expect(await loopback.failure() == .refused("not today"))
        }
    }

    @Test func aBodyBeyondTheLanesMaximumIsRefusedWithoutBeingSent() async throws {
        let body = String(repeating: "x", count: Lane.control.maximumBodyLength + 1)
        try await Loopback.run {
            $0.register(.status, Handler { $0.body })
        } _: { loopback in
            await #expect(throws: CallFailure.self) {
                try await loopback.call(.status, body, lane: .control)
            }
            let reply = try await loopback.call(.status, "small", lane: .control)
            #expect(reply == "small")
        }
    }

    @Test func theDeadlineEndsTheCallOnBothSides() async throws {
        let gate = Gate()
        let wasCancelled = Gate()
        try await Loopback.run {
            $0.register(
                .slot,
                Handler { call in
                    if String(buffer: call.body) != "wait" { return call.body }
                    await gate.wait()
                    if Task.isCancelled { wasCancelled.open() }
                    return call.body
                })
        } _: { loopback in
            // The connection stands before the deadline starts to count.
            #expect(await loopback.failure() == nil)
            #expect(await loopback.failure(.slot, "wait", within: .milliseconds(200)) == .deadlineExceeded)
            await wasCancelled.wait()
        }
    }

    @Test func cancellingTheCallersTaskCancelsTheHandler() async throws {
        let gate = Gate()
        let started = Gate()
        let wasCancelled = Gate()
        try await Loopback.run {
            $0.register(
                .slot,
                Handler { call in
                    started.open()
                    await gate.wait()
                    if Task.isCancelled { wasCancelled.open() }
                    return call.body
                })
        } _: { loopback in
            let task = Task { await loopback.failure() }
            await started.wait()
            task.cancel()
            #expect(await task.value == .cancelled)
            await wasCancelled.wait()
        }
    }

    @Test func callsBeyondTheBoundFailAsOverloaded() async throws {
        var options = Loopback.Options()
        options.serverLimits.callsInFlight = 2
        let gate = Gate()
        try await Loopback.run(options) {
            $0.register(
                .slot,
                Handler { call in
                    if String(buffer: call.body) == "wait" { await gate.wait() }
                    return call.body
                })
        } _: { loopback in
            await withTaskGroup(of: CallFailure?.self) { group in
                for _ in 0..<3 { group.addTask { await loopback.failure(.slot, "wait") } }
                #expect(await group.next() == .overloaded)
                gate.open()
                for await failure in group { #expect(failure == nil) }
            }
        }
    }

    @Test func theClientsOwnBoundFailsCallsAsOverloaded() async throws {
        var options = Loopback.Options()
        options.clientLimits.callsInFlight = 2
        let gate = Gate()
        try await Loopback.run(options) {
            $0.register(
                .slot,
                Handler { call in
                    await gate.wait()
                    return call.body
                })
        } _: { loopback in
            await withTaskGroup(of: CallFailure?.self) { group in
                for _ in 0..<3 { group.addTask { await loopback.failure() } }
                #expect(await group.next() == .overloaded)
                gate.open()
                for await failure in group { #expect(failure == nil) }
            }
        }
    }
}

import NIOCore
import Synchronization
import Testing
import Wire

@testable import Transport

/// Gathers what a stream receives.
final class Collector: StreamReceiver {
    private let items: AsyncStream<String>
    private let continuation: AsyncStream<String>.Continuation
    private let reasons: AsyncStream<String>
    private let reasonContinuation: AsyncStream<String>.Continuation
    private let consumes: Bool
    private let echo: Bool

    init(consumes: Bool = true, echo: Bool = false) {
        (items, continuation) = AsyncStream.makeStream()
        (reasons, reasonContinuation) = AsyncStream.makeStream()
        self.consumes = consumes
        self.echo = echo
    }

    func received(_ item: ByteBuffer, on stream: any TransportStream) {
        if echo { _ = stream.send(item) }
        if consumes { stream.consumed(1) }
        continuation.yield(String(buffer: item))
    }

    func closed(_ reason: String, on stream: any TransportStream) {
        continuation.finish()
        reasonContinuation.yield(reason)
        reasonContinuation.finish()
    }

    func next(_ count: Int) async -> [String] {
        var found: [String] = []
        for await item in items {
            found.append(item)
            if found.count == count { break }
        }
        return found
    }

    /// Why the stream closed.
    func reason() async -> String? {
        for await reason in reasons { return reason }
        return nil
    }
}

struct Acceptor: StreamAcceptor {
    let body: @Sendable (any TransportStream, ByteBuffer) throws(CallFailure) -> any StreamReceiver

    init(_ body: @escaping @Sendable (any TransportStream, ByteBuffer) throws(CallFailure) -> any StreamReceiver) {
        self.body = body
    }

    func accept(_ stream: any TransportStream, body: ByteBuffer) throws(CallFailure) -> any StreamReceiver {
        try self.body(stream, body)
    }
}

@Suite(.timeLimit(.minutes(10))) struct StreamTests {
    private func open(_ loopback: Loopback, _ receiver: Collector) async throws -> any TransportStream {
        try await loopback.client.openStream(
            .events, body: ByteBuffer(string: "hello"), to: loopback.address, lane: .event, receiver: receiver)
    }

    @Test func itemsArriveInOrderInBothDirections() async throws {
        let receiver = Collector()
        try await Loopback.run {
            $0.register(.events, acceptor: Acceptor { _, _ in Collector(echo: true) })
        } _: { loopback in
            let stream = try await open(loopback, receiver)
            let numbers = (0..<5_000).map(String.init)
            for number in numbers { #expect(stream.send(ByteBuffer(string: number))) }
            let received = await receiver.next(numbers.count)
            #expect(received == numbers)
            stream.close("done")
        }
    }

    @Test func theAcceptorMaySendAtOnce() async throws {
        let receiver = Collector()
        try await Loopback.run {
            $0.register(
                .events,
                acceptor: Acceptor { stream, body in
                    _ = stream.send(body)
                    return Collector()
                })
        } _: { loopback in
            _ = try await open(loopback, receiver)
            let received = await receiver.next(1)
            #expect(received == ["hello"])
        }
    }

    @Test func aConsumerThatGrantsNothingIsShedByItsSender() async throws {
        var options = Loopback.Options()
        options.serverLimits.streamWindow = 8
        options.clientLimits.streamQueueItems = 16
        let collector = Collector(consumes: false)
        try await Loopback.run(options) {
            $0.register(.events, acceptor: Acceptor { _, _ in collector })
        } _: { loopback in
            let stream = try await open(loopback, Collector())
            var sent = 0
            while stream.send(ByteBuffer(string: "\(sent)")) { sent += 1 }
            // At most the window on the way and the queue behind it.
            #expect((16...24).contains(sent))
            let received = await collector.next(8)
            #expect(received == (0..<8).map(String.init))
            stream.close("slow consumer")
            let reason = await collector.reason()
            #expect(reason == "slow consumer")
            #expect(!stream.send(ByteBuffer(string: "late")))
        }
    }

    @Test func bytesThatWaitInAStreamAreBounded() async throws {
        var options = Loopback.Options()
        options.serverLimits.streamWindow = 1
        options.clientLimits.streamQueueBytes = 1_000
        try await Loopback.run(options) {
            $0.register(.events, acceptor: Acceptor { _, _ in Collector(consumes: false) })
        } _: { loopback in
            let stream = try await open(loopback, Collector())
            var sent = 0
            while sent < 100, stream.send(ByteBuffer(repeating: 0, count: 400)) { sent += 1 }
            #expect((2...3).contains(sent))
        }
    }

    @Test func aRefusedStreamSaysWhy() async throws {
        try await Loopback.run {
            $0.register(.events, acceptor: Acceptor { _, _ throws(CallFailure) in throw .refused("full") })
        } _: { loopback in
            await #expect(throws: CallFailure.refused("full")) { try await open(loopback, Collector()) }
            await #expect(throws: CallFailure.unknownMethod) {
                try await loopback.client.openStream(
                    .coordinatorWatch, body: ByteBuffer(), to: loopback.address, lane: .control,
                    receiver: Collector())
            }
        }
    }

    @Test func bothSidesLearnThatTheConnectionIsLost() async throws {
        let served = Collector()
        let receiver = Collector()
        try await Loopback.run {
            $0.register(.events, acceptor: Acceptor { _, _ in served })
        } _: { loopback in
            let stream = try await open(loopback, receiver)
            await loopback.client.shutdown()
            #expect(await receiver.reason() == "the transport is shut down")
            #expect(await served.reason() != nil)
            #expect(!stream.send(ByteBuffer()))
        }
    }

    @Test func aDrainingServerClosesItsStreams() async throws {
        let receiver = Collector()
        try await Loopback.run {
            $0.register(.events, acceptor: Acceptor { _, _ in Collector() })
        } _: { loopback in
            _ = try await open(loopback, receiver)
            await loopback.server.shutdown(within: .seconds(300))
            #expect(await receiver.reason() == "the node shuts down")
        }
    }
}

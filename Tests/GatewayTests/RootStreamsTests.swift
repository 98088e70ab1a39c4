import Identity
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing
import Wire

@testable import Gateway

/// The shell around the follower, with a guild node in memory and a loop that only collects.
@Suite struct RootStreamsTests {
    private final class Loop: LoopPost {
        private let waiting = Atomic<Int>(0)
        private let received = Mutex<[HostMessage]>([])

        var backlog: Int { waiting.load(ordering: .relaxed) }
        func fall(behind bytes: Int) { waiting.store(bytes, ordering: .relaxed) }
        var count: Int { received.withLock { $0.count } }
        func post(_ message: LoopMessage) {
            if case .host(let messages) = message { received.withLock { $0 += messages } }
        }
    }

    private func wait(_ condition: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(300)
        while !condition() {
            try #require(ContinuousClock.now < end)
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test func aLoopThatIsBehindHoldsTheGuildNodesBack() async throws {
        let guildNode = FakeGuildNode()
        guildNode.add(World.snapshot())
        let loop = Loop()
        let streams = RootStreams(
            node: NodeID(rawValue: "gateway-1")!, client: guildNode,
            view: FakeView(guildNode: guildNode.node, gateways: []),
            eventLoop: MultiThreadedEventLoopGroup.singleton.next(), logger: Logger(label: "test"))
        let tasks = await streams.start([loop])
        streams.enqueue([.follow(root: .guild(World.guild), intents: .max)], loop: 0)
        // The answer to the subscription.
        try await wait { guildNode.consumed == 1 }
        loop.fall(behind: RootStreams.maximumBacklog)
        for number in 0..<5 { guildNode.emit(World.message("\(number)")) }
        try await wait { loop.count == 5 }
        #expect(guildNode.consumed == 1)
        loop.fall(behind: 0)
        try await wait { guildNode.consumed == 6 }
        for task in tasks { task.cancel() }
        await streams.stop()
    }

    @Test func whatWaitsAtALoopIsWeighed() {
        let queue = BatchQueue<LoopMessage>()
        let event = World.message(String(repeating: "x", count: 1000))
        let message = LoopMessage.host([.event(event, number: nil), .event(event, number: nil)])
        queue.append(message, weight: message.weight) {}
        #expect(queue.weight > 2000 && queue.weight < 4000)
        #expect(queue.takeAll().count == 1)
        #expect(queue.weight == 0)
    }
}

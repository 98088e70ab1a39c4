import Domain
import Identity
import Logging
import NIOCore
import NIOPosix
import Testing
import Transport
import Wire

@testable import Gateway

/// Whose journals a buddy keeps, and for how long.
@Suite struct JournalKeeperTests {
    private final class Stream: TransportStream {
        let peer: NodeID

        init(_ peer: NodeID) { self.peer = peer }

        func send(_ item: ByteBuffer) -> Bool { true }
        func consumed(_ items: Int) {}
        func close(_ reason: String) {}
    }

    private let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    private let keeper: JournalKeeper

    init() {
        keeper = JournalKeeper(
            view: FakeView(guildNode: NodeID(rawValue: "guild-1")!, gateways: []), eventLoop: eventLoop,
            logger: Logger(label: "test"))
    }

    private static let id = SessionID(String(repeating: "a", count: 32) + "67617465776179")!

    private func open(_ stream: Stream) throws -> any StreamReceiver {
        try JournalAcceptor(keeper: { keeper }).accept(
            stream, body: JournalOpening(startedAt: Timestamp(milliseconds: 1)).encoded())
    }

    /// A tick that opens one session.
    private func tick() -> JournalTick {
        let identity = Session.Identity(
            id: JournalKeeperTests.id,
            actor: Actor(
                profile: UserProfile(id: World.bot, username: "robot", isBot: true), tokenID: World.botToken.tokenID),
            intents: World.allIntents, version: 10, shard: 0, shardCount: 1, isSharded: false, largeThreshold: 50)
        let session = Session(identity: identity, sequence: 7)
        var tick = JournalTick(loop: 0, number: 1)
        tick.opened = [
            JournalTick.Opened(number: 1, record: SessionRecord(session, position: { _ in nil }, seen: { _ in nil }))
        ]
        return tick
    }

    /// A new stream at the address of an older one, which nobody else refers to any more.
    private func successor(of older: inout Stream?, _ peer: NodeID) -> Stream? {
        let identity = older.map { ObjectIdentifier($0) }
        older = nil
        var others: [Stream] = []
        for _ in 0..<10_000 {
            let next = Stream(peer)
            if ObjectIdentifier(next) == identity { return next }
            others.append(next)
        }
        return nil
    }

    private func isOffered(_ request: PullSessionRequest) async -> Bool {
        if case .journaled = await keeper.find(request) { true } else { false }
    }

    /// The broken stream of a lost gateway whose journal is kept; nothing of the event loop refers to it any more.
    private func lostJournal() async throws -> Stream? {
        let stream = Stream(NodeID(rawValue: "gateway-1")!)
        let receiver = try open(stream)
        receiver.received(JournalMessage.tick(tick()).encoded(), on: stream)
        receiver.closed("the node is lost", on: stream)
        #expect(await keeper.sessionCount == 1)
        // The loop lets go of what it has run before it runs what comes later.
        for _ in 0..<2 { try await eventLoop.submit {}.get() }
        return stream
    }

    /// Whoever journaled at the lost gateway looks for another buddy at that moment, so that new streams come in just
    /// when the lost one's is let go of.
    @Test func aLostGatewaysJournalOutlivesTheStreamThatIsMadeAtTheSameAddress() async throws {
        var found: Stream?
        // The allocator decides where a stream is made, and other tests allocate as well.
        for _ in 0..<100 where found == nil {
            var lost = try await lostJournal()
            found = successor(of: &lost, NodeID(rawValue: "gateway-3")!)
        }
        let next = try #require(found, "no address is used again")
        let receiver = try open(next)
        let request = PullSessionRequest(
            id: JournalKeeperTests.id, token: World.botToken, taker: NodeID(rawValue: "gateway-2")!, sequence: 7)
        #expect(await isOffered(request))
        receiver.closed("the node is lost", on: next)
        #expect(await isOffered(request))
    }
}

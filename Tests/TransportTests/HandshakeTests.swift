import Identity
import NIOCore
import Testing
import Wire

@testable import Transport

@Suite struct HandshakeTests {
    private func connect(_ pair: Pair, chunk: Int = .max) -> Pair {
        var pair = pair
        pair.dialler.start()
        pair.exchange(chunk: chunk)
        return pair
    }

    @Test(arguments: [1, 3, Int.max]) func bothSidesLearnWhoTheOtherIs(chunk: Int) throws {
        let pair = connect(Pair(diallerHello: { $0.mapEpoch = Epoch(rawValue: 7) }), chunk: chunk)
        let server = try #require(pair.dialler.peer)
        #expect(server.node == node("server"))
        #expect(server.version == 1)
        let client = try #require(pair.acceptor.peer)
        #expect(client.node == node("client"))
        #expect(client.lane == .request)
        #expect(client.mapEpoch == Epoch(rawValue: 7))
    }

    @Test func theHighestCommonVersionIsSpoken() throws {
        let pair = connect(Pair(diallerHello: { $0.versions = 1...5 }, acceptorHello: { $0.versions = 2...3 }))
        #expect(pair.dialler.peer?.version == 3)
        #expect(pair.acceptor.peer?.version == 3)
    }

    @Test func disjointVersionsAreRefusedWithAReason() {
        let pair = connect(Pair(diallerHello: { $0.versions = 2...3 }))
        #expect(pair.acceptedClose?.contains("versions 1...1") == true)
        #expect(pair.dialledClose?.contains("the peer refused: we speak versions 1...1") == true)
    }

    @Test func aForeignClusterIsRefused() {
        let foreign = ClusterID(rawValue: String(repeating: "f", count: 32))
        let pair = connect(Pair(diallerHello: { $0.cluster = foreign }))
        #expect(pair.acceptedClose?.contains("belong to cluster") == true)
        #expect(pair.dialler.peer == nil)
        #expect(pair.acceptor.peer == nil)
    }

    @Test func aProcessThatDoesNotKnowItsClusterYetIsWelcome() {
        #expect(connect(Pair(diallerHello: { $0.cluster = nil })).acceptor.peer?.cluster == nil)
        #expect(connect(Pair(acceptorHello: { $0.cluster = nil })).dialler.peer != nil)
    }

    @Test func anotherNodeAtTheAddressIsRefused() {
        let pair = connect(Pair(expected: "other"))
        #expect(pair.dialledClose == "dialled other, server answered")
    }

    @Test func anUnknownLaneIsRefused() {
        let pair = connect(Pair(diallerHello: { $0.lane = 99 }))
        #expect(pair.acceptedClose == "lane 99")
    }

    @Test func aCertificateThatDoesNotNameTheNodeIsRefused() {
        var pair = Pair()
        pair.acceptor.certificateNames = ["someone-else"]
        #expect(connect(pair).acceptedClose == "the peer's certificate does not name client")
        pair.acceptor.certificateNames = ["someone-else", "client"]
        #expect(connect(pair).acceptor.peer != nil)
        pair.acceptor.certificateNames = []
        #expect(connect(pair).acceptor.peer == nil)
    }

    @Test(arguments: ["GET / HTTP/1.1\r\n", "\u{16}\u{3}\u{1}", "\0"]) func otherProtocolsAreToldApartAtOnce(
        text: String
    ) {
        var acceptor = Pair().acceptor
        acceptor.receive(ByteBuffer(string: text), now: .uptimeNanoseconds(1_000_000_000))
        guard case .close(let reason)? = acceptor.takeActions().last else {
            Issue.record("the connection stays open")
            return
        }
        #expect(reason.contains("foreignProtocol"))
    }

    @Test func aRequestBeforeTheHelloIsRefused() {
        var pair = Pair()
        var output = FrameOutput()
        output.appendPreface()
        output.append(.request, streamID: 1) { RequestHead(method: 1).encode(into: &$0) }
        for buffer in output.take() { pair.acceptor.receive(buffer, now: pair.now) }
        pair.exchange()
        #expect(pair.acceptedClose == "expected a hello, got a frame of type 3")
    }

    @Test func aPeerThatSaysNothingIsTimedOut() {
        var pair = Pair()
        pair.advance(.seconds(4))
        pair.exchange()
        #expect(pair.acceptedClose == nil)
        pair.advance(.seconds(2))
        pair.exchange()
        #expect(pair.acceptedClose?.hasPrefix("no handshake within") == true)
    }
}

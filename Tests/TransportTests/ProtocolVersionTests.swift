import Identity
import NIOCore
import Testing
import Wire

@testable import Transport

@Suite struct ProtocolVersionTests {
    private func open(_ ours: ClosedRange<UInt64>, _ theirs: ClosedRange<UInt64>) -> Pair {
        var pair = Pair(diallerHello: { $0.versions = ours }, acceptorHello: { $0.versions = theirs })
        pair.dialler.start()
        pair.exchange()
        pair.accepted.removeAll()
        return pair
    }

    @Test func theMethodsOfTheFirstVersionAreThoseItsBuildsKnow() {
        for number in UInt16(1)...6 { #expect(CallMethod(rawValue: number).lowestVersion == 1) }
        #expect(CallMethod.pushSession.lowestVersion == 2)
        #expect(CallMethod.journal.lowestVersion == 2)
    }

    @Test(arguments: [(1...1, 1...2), (1...2, 1...1)] as [(ClosedRange<UInt64>, ClosedRange<UInt64>)])
    func betweenTwoVersionsTheMethodsOfTheNewerAreUnknown(
        ours: ClosedRange<UInt64>, theirs: ClosedRange<UInt64>
    ) throws {
        var pair = open(ours, theirs)
        #expect(pair.dialler.peer?.version == 1)
        #expect(throws: CallFailure.unknownMethod) {
            try pair.dialler.call(
                .pushSession, body: ByteBuffer(), deadline: pair.now + .seconds(1), trace: [:], now: pair.now)
        }
        #expect(throws: CallFailure.unknownMethod) {
            try pair.dialler.openStream(.journal, body: ByteBuffer(), trace: [:])
        }
        _ = try pair.dialler.call(
            .slot, body: ByteBuffer(), deadline: pair.now + .seconds(1), trace: [:], now: pair.now)
        _ = try pair.dialler.openStream(.events, body: ByteBuffer(), trace: [:])
        pair.exchange()
        #expect(pair.accepted.count == 2)
    }

    /// A peer that asks for what the two have not agreed on gets no further than an unknown method.
    @Test func anotherSidesMethodsOfANewerVersionAreRefused() throws {
        var pair = open(1...2, 1...2)
        let call = try pair.dialler.call(
            .pushSession, body: ByteBuffer(), deadline: pair.now + .seconds(1), trace: [:], now: pair.now)
        let stream = try pair.dialler.openStream(.journal, body: ByteBuffer(), trace: [:])
        var peer = try #require(pair.acceptor.peer)
        peer.version = 1
        pair.acceptor.phase = .open(peer)
        pair.exchange()
        #expect(pair.accepted.isEmpty)
        #expect(pair.acceptedClose == nil)
        var completed: [UInt64] = []
        for case .completed(let id, .failure(.unknownMethod)) in pair.dialled { completed.append(id) }
        #expect(completed == [call])
        var rejected: [UInt64] = []
        for case .streamRejected(let id, .unknownMethod) in pair.dialled { rejected.append(id) }
        #expect(rejected == [stream])
    }
}

import NIOCore
import Testing
import Wire

@testable import Transport

@Suite struct ConnectionStateTests {
    @Test func silenceIsBrokenByAPingThatKeepsTheConnection() {
        var pair = Pair.open()
        for _ in 0..<10 {
            pair.advance(.seconds(3))
            pair.exchange()
        }
        #expect(pair.dialledClose == nil)
        #expect(pair.acceptedClose == nil)
    }

    @Test func aPeerThatFallsSilentIsGivenUpAndItsCallsFail() throws {
        var pair = Pair.open()
        let id = try pair.dialler.call(
            .slot, body: ByteBuffer(), deadline: pair.now + .seconds(60), trace: [:], now: pair.now)
        pair.advance(.seconds(3))
        // What the dialler sends is lost.
        _ = pair.dialler.output.take()
        pair.dialler.advance(to: pair.now + .seconds(4))
        let actions = pair.dialler.takeActions()
        guard case .completed(id, .failure(.connectionLost))? = actions.first else {
            Issue.record("the call did not fail: \(actions)")
            return
        }
    }

    @Test func anIDThatDoesNotRiseClosesTheConnection() {
        var pair = Pair.open()
        for id in [5, 5] as [UInt64] {
            pair.dialler.output.append(.request, streamID: id) { RequestHead(method: 1).encode(into: &$0) }
        }
        pair.exchange()
        #expect(pair.acceptedClose == "stream id 5 does not rise")
    }

    @Test func itemsBeyondTheCreditCloseTheConnection() throws {
        var limits = TransportLimits()
        limits.streamWindow = 4
        var pair = Pair.open(lane: .event, limits: limits)
        let id = try pair.dialler.openStream(.events, body: ByteBuffer(), trace: [:])
        pair.exchange()
        pair.acceptor.acceptStream(id)
        pair.exchange()
        for _ in 0..<5 { pair.dialler.output.append(.item, streamID: id) }
        pair.exchange()
        #expect(pair.acceptedClose == "stream \(id) exceeds its credit")
    }

    @Test func itemsWaitForCreditAndKeepTheirOrder() throws {
        var limits = TransportLimits()
        limits.streamWindow = 4
        var pair = Pair.open(lane: .event, limits: limits)
        let id = try pair.dialler.openStream(.events, body: ByteBuffer(), trace: [:])
        pair.exchange()
        pair.acceptor.acceptStream(id)
        for number in 0..<10 { pair.acceptor.send(ByteBuffer(string: "\(number)"), on: id) }
        pair.exchange()
        func received() -> [String] {
            pair.dialled.compactMap {
                guard case .streamReceived(_, let item) = $0 else { return nil }
                return String(buffer: item)
            }
        }
        #expect(received() == ["0", "1", "2", "3"])
        pair.dialler.grant(2, on: id)
        pair.exchange()
        #expect(received() == ["0", "1", "2", "3", "4", "5"])
        pair.dialler.grant(4, on: id)
        pair.exchange()
        #expect(received() == (0..<10).map(String.init))
        #expect(pair.dialledClose == nil)
    }

    @Test func moreCreditThanTheWindowIsNeverGranted() throws {
        var limits = TransportLimits()
        limits.streamWindow = 4
        var pair = Pair.open(lane: .event, limits: limits)
        let id = try pair.dialler.openStream(.events, body: ByteBuffer(), trace: [:])
        pair.dialler.grant(1_000, on: id)
        #expect(pair.dialler.streams[id]?.granted == 4)
    }

    @Test func aDrainingServerFinishesWhatItBeganAndTakesNothingNew() throws {
        var pair = Pair.open()
        let begun = try pair.dialler.call(
            .slot, body: ByteBuffer(), deadline: pair.now + .seconds(5), trace: [:], now: pair.now)
        pair.exchange()
        let late = try pair.dialler.call(
            .slot, body: ByteBuffer(), deadline: pair.now + .seconds(5), trace: [:], now: pair.now)
        pair.acceptor.drain("shutting down")
        pair.exchange()
        #expect(throws: CallFailure.unreachable("the peer drains")) {
            try pair.dialler.call(
                .slot, body: ByteBuffer(), deadline: pair.now + .seconds(5), trace: [:], now: pair.now)
        }
        #expect(pair.acceptedClose == nil)
        pair.acceptor.reply(begun, .success(ByteBuffer(string: "done")))
        pair.exchange()
        var results: [UInt64: Result<ByteBuffer, CallFailure>] = [:]
        for case .completed(let id, let result) in pair.dialled { results[id] = result }
        #expect(results[begun] == .success(ByteBuffer(string: "done")))
        #expect(results[late] == .failure(.unreachable("shutting down")))
        #expect(pair.acceptedClose == "drained")
    }

    @Test func unknownFramesAreSkipped() throws {
        var pair = Pair.open()
        pair.dialler.output.append(FrameType(rawValue: 200), streamID: 9, body: ByteBuffer(string: "from the future"))
        _ = try pair.dialler.call(
            .slot, body: ByteBuffer(), deadline: pair.now + .seconds(5), trace: [:], now: pair.now)
        pair.exchange()
        #expect(pair.acceptedClose == nil)
        guard case .request? = pair.accepted.last else {
            Issue.record("the request after it is lost")
            return
        }
    }

    @Test func brokenFieldsCloseTheConnection() {
        var pair = Pair.open()
        pair.dialler.output.append(.request, streamID: 1) { $0.write(1, "a method that is text") }
        pair.exchange()
        #expect(pair.acceptedClose?.hasPrefix("unreadable fields") == true)
    }

    @Test func deadlinesTravelAsTheTimeThatRemains() throws {
        var pair = Pair.open()
        _ = try pair.dialler.call(
            .slot, body: ByteBuffer(), deadline: pair.now + .milliseconds(250), trace: ["traceparent": "x"],
            now: pair.now)
        pair.exchange()
        guard case .request(_, let head, _, let deadline)? = pair.accepted.first else {
            Issue.record("no request")
            return
        }
        #expect(head.remainingMilliseconds == 250)
        #expect(head.trace == ["traceparent": "x"])
        #expect(deadline == pair.now + .milliseconds(250))
        #expect(throws: CallFailure.deadlineExceeded) {
            try pair.dialler.call(.slot, body: ByteBuffer(), deadline: pair.now, trace: [:], now: pair.now)
        }
    }
}

import Identity
import NIOCore
import Wire

@testable import Transport

/// A connection survives whatever its peer sends: it goes on or closes, its queues stay within their bounds, and time
/// can always be advanced.
func fuzzConnection(_ input: ByteBuffer, isOpen: Bool, isAccepting: Bool) {
    guard let ours = NodeID(rawValue: "ours"), let theirs = NodeID(rawValue: "theirs") else {
        preconditionFailure("literals within NodeID's alphabet")
    }
    var limits = TransportLimits()
    limits.callsInFlight = 16
    limits.streams = 8
    limits.streamWindow = 8
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    let lane = Lane.request
    var state = ConnectionState(
        role: isAccepting ? .accepting : .dialling(expected: theirs),
        hello: Hello(versions: 1...1, node: ours, cluster: nil, lane: UInt64(lane.rawValue)), limits: limits, now: now)
    state.start()
    if isOpen {
        var output = FrameOutput()
        output.appendPreface()
        output.append(.hello) {
            Hello(versions: 1...1, node: theirs, cluster: nil, lane: UInt64(lane.rawValue)).encode(into: &$0)
        }
        for buffer in output.take() { state.receive(buffer, now: now) }
        precondition(state.peer != nil, "a right hello opens the connection")
    }
    if isOpen, !isAccepting {
        for _ in 0..<3 {
            _ = try? state.call(.slot, body: ByteBuffer(), deadline: now + .seconds(1), trace: [:], now: now)
            if let id = try? state.openStream(.events, body: ByteBuffer(), trace: [:]) {
                state.send(ByteBuffer(string: "item"), on: id)
            }
        }
    }
    state.receive(input, now: now)
    answer(&state)
    precondition(state.incoming.count <= limits.callsInFlight, "more calls than the bound")
    precondition(state.streams.count <= limits.streams, "more streams than the bound")
    for _ in 0..<8 {
        guard let wake = state.nextWake else { break }
        now = max(now, wake)
        state.advance(to: now)
        answer(&state)
    }
    state.fail("the end")
    answer(&state)
    precondition(state.isIdle, "something outlives its connection")
    _ = state.output.take()
}

/// Does what the shell would.
private func answer(_ state: inout ConnectionState) {
    for action in state.takeActions() {
        switch action {
        case .request(let id, _, let body, _): state.reply(id, .success(body))
        case .streamOffered(let id, let head, _):
            if head.method % 2 == 0 { state.acceptStream(id) } else { state.rejectStream(id, .unknownMethod) }
        case .streamReceived(let id, let item):
            state.send(item, on: id)
            state.grant(1, on: id)
        default: break
        }
    }
}

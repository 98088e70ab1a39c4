import Identity
import NIOCore
import Testing
import Wire

@testable import Transport

/// Two connection states joined without a network, with a clock that the test moves.
struct Pair {
    var dialler: ConnectionState
    var acceptor: ConnectionState
    var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var dialled: [ConnectionState.Action] = []
    var accepted: [ConnectionState.Action] = []
    /// Bytes that went each way since the last reset.
    var toAcceptor = ByteBuffer()
    var toDialler = ByteBuffer()

    static let cluster = "0123456789abcdef0123456789abcdef"

    init(
        lane: Lane = .request, limits: TransportLimits = TransportLimits(),
        diallerHello: (inout Hello) -> Void = { _ in }, acceptorHello: (inout Hello) -> Void = { _ in },
        expected: String = "server"
    ) {
        var ours = Hello(
            versions: 1...1, node: node("client"), cluster: ClusterID(rawValue: Pair.cluster),
            lane: UInt64(lane.rawValue))
        var theirs = Hello(
            versions: 1...1, node: node("server"), cluster: ClusterID(rawValue: Pair.cluster), lane: 0)
        diallerHello(&ours)
        acceptorHello(&theirs)
        dialler = ConnectionState(
            role: .dialling(expected: node(expected)), hello: ours, limits: limits, now: now)
        acceptor = ConnectionState(role: .accepting, hello: theirs, limits: limits, now: now)
    }

    /// An open pair.
    static func open(lane: Lane = .request, limits: TransportLimits = TransportLimits()) -> Pair {
        var pair = Pair(lane: lane, limits: limits)
        pair.dialler.start()
        pair.exchange()
        pair.dialled.removeAll()
        pair.accepted.removeAll()
        return pair
    }

    /// Carries bytes until both are quiet, a byte at a time when asked.
    mutating func exchange(chunk: Int = .max) {
        while !dialler.output.isEmpty || !acceptor.output.isEmpty {
            for buffer in dialler.output.take() {
                toAcceptor.writeImmutableBuffer(buffer)
                for part in buffer.cut(chunk) { acceptor.receive(part, now: now) }
            }
            for buffer in acceptor.output.take() {
                toDialler.writeImmutableBuffer(buffer)
                for part in buffer.cut(chunk) { dialler.receive(part, now: now) }
            }
        }
        dialled += dialler.takeActions()
        accepted += acceptor.takeActions()
    }

    mutating func advance(_ amount: TimeAmount) {
        now = now + amount
        dialler.advance(to: now)
        acceptor.advance(to: now)
    }

    /// The reason with which the dialling side closed.
    var dialledClose: String? { Pair.close(in: dialled) }
    var acceptedClose: String? { Pair.close(in: accepted) }

    private static func close(in actions: [ConnectionState.Action]) -> String? {
        for case .close(let reason) in actions { return reason }
        return nil
    }
}

extension ByteBuffer {
    fileprivate func cut(_ size: Int) -> [ByteBuffer] {
        var rest = self
        var parts: [ByteBuffer] = []
        while let part = rest.readSlice(length: Swift.min(size, rest.readableBytes)), part.readableBytes > 0 {
            parts.append(part)
        }
        return parts
    }
}

import Testing

/// One case of the Autobahn test suite (crossbar.io, fuzzingclient), as data: what the client sends and what it must
/// see.
struct AutobahnCase: Sendable, CustomTestStringConvertible {
    enum End: Hashable {
        /// The server ends the connection with this code.
        case failed(UInt16)
        /// The client's close frame with this code is answered in kind; 0 when it has none.
        case closed(UInt16)
    }

    var number: String
    var bytes: [UInt8]
    var chop: Int
    var answers: [ServerFrame]
    var end: End

    /// - Parameters:
    ///   - chop: bytes in one piece of TCP.
    ///   - answers: what the server sends before the end.
    ///   - failure: the code by which the server must fail the connection; otherwise the client closes with 1000.
    init(
        _ number: String, _ frames: [ClientFrame], chop: Int = .max, answers: [ServerFrame] = [], failure: UInt16? = nil
    ) {
        self.number = number
        self.chop = chop == .max ? Int.max / 2 : chop
        self.answers = answers
        bytes = frames.flatMap(\.bytes)
        if let failure {
            end = .failed(failure)
        } else {
            bytes += ClientFrame.close(1000).bytes
            end = .closed(1000)
        }
    }

    /// A case in which the client's own close frame is the matter.
    init(_ number: String, closing frames: [ClientFrame], answers: [ServerFrame] = [], code: UInt16) {
        self.number = number
        chop = Int.max / 2
        self.answers = answers
        bytes = frames.flatMap(\.bytes)
        end = .closed(code)
    }

    var testDescription: String { number }
}

extension Array where Element == AutobahnCase {
    /// Groups 1 to 5: framing, pings and pongs, reserved bits, opcodes, fragmentation.
    static var framing: [AutobahnCase] { messages + pings + reservedBits + opcodes + fragmentation }

    private static var messages: [AutobahnCase] {
        let sizes = [0, 125, 126, 127, 128, 65535, 65536, 65536]
        return sizes.enumerated().flatMap { index, size -> [AutobahnCase] in
            let (text, bytes) = (String(repeating: "*", count: size), [UInt8](repeating: 0xfe, count: size))
            let chop = index == 7 ? 997 : Int.max
            return [
                AutobahnCase("1.1.\(index + 1)", [.text(text)], chop: chop, answers: [.text(text)]),
                AutobahnCase(
                    "1.2.\(index + 1)", [ClientFrame(opcode: 2, payload: bytes)], chop: chop, answers: [.binary(bytes)]),
            ]
        }
    }

    private static var pings: [AutobahnCase] {
        let text = [UInt8]("Hello, world!".utf8)
        let binary: [UInt8] = [0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]
        let long = [UInt8](repeating: 0xfe, count: 125)
        let pong = ClientFrame(opcode: 10, payload: text)
        let ten = (0..<10).map { [UInt8]("payload-\($0)".utf8) }
        return [
            AutobahnCase("2.1", [.ping()], answers: [.pong()]),
            AutobahnCase("2.2", [.ping(text)], answers: [.pong(text)]),
            AutobahnCase("2.3", [.ping(binary)], answers: [.pong(binary)]),
            AutobahnCase("2.4", [.ping(long)], answers: [.pong(long)]),
            AutobahnCase("2.5", [.ping(long + [0xfe])], failure: 1002),
            AutobahnCase("2.6", [.ping(long)], chop: 1, answers: [.pong(long)]),
            AutobahnCase("2.7", [ClientFrame(opcode: 10, payload: [])]),
            AutobahnCase("2.8", [pong]),
            AutobahnCase("2.9", [pong, .ping(text)], answers: [.pong(text)]),
            AutobahnCase("2.10", ten.map { .ping($0) }, answers: ten.map { .pong($0) }),
            AutobahnCase("2.11", ten.map { .ping($0) }, chop: 1, answers: ten.map { .pong($0) }),
        ]
    }

    private static var reservedBits: [AutobahnCase] {
        let small = "Hello, world!"
        func text(_ reserved: UInt8) -> ClientFrame {
            ClientFrame(opcode: 1, payload: [UInt8](small.utf8), reserved: reserved)
        }
        return [
            AutobahnCase("3.1", [text(1)], failure: 1002),
            AutobahnCase("3.2", [.text(small), text(2), .ping()], answers: [.text(small)], failure: 1002),
            AutobahnCase("3.3", [.text(small), text(3), .ping()], chop: 19, answers: [.text(small)], failure: 1002),
            AutobahnCase("3.4", [.text(small), text(4), .ping()], chop: 1, answers: [.text(small)], failure: 1002),
            AutobahnCase("3.5", [ClientFrame(opcode: 2, payload: [1, 2, 3], reserved: 5)], failure: 1002),
            AutobahnCase("3.6", [ClientFrame(opcode: 9, payload: [1], reserved: 6)], failure: 1002),
            AutobahnCase("3.7", [ClientFrame(opcode: 8, payload: [], reserved: 7)], failure: 1002),
        ]
    }

    private static var opcodes: [AutobahnCase] {
        let small = "Hello, world!"
        return [(UInt8(3), 1), (11, 2)].flatMap { first, group -> [AutobahnCase] in
            (0..<5).map { offset in
                let reserved = ClientFrame(
                    opcode: first + UInt8(offset), payload: offset == 0 ? [] : [UInt8](small.utf8))
                let number = "4.\(group).\(offset + 1)"
                if offset < 2 { return AutobahnCase(number, [reserved], failure: 1002) }
                return AutobahnCase(
                    number, [.text(small), reserved, .ping()], chop: [Int.max, 19, 1][offset - 2],
                    answers: [.text(small)], failure: 1002)
            }
        }
    }

    private static var fragmentation: [AutobahnCase] {
        let parts: [ClientFrame] = [.text("fragment1", final: false), .continuation("fragment2")]
        let whole = ServerFrame.text("fragment1fragment2")
        let ping = [UInt8]("ping payload".utf8)
        let (first, second) = (parts[0], parts[1])
        var cases: [AutobahnCase] = []
        for (index, opcode) in [UInt8(9), 10].enumerated() {
            let half = ClientFrame(opcode: opcode, payload: [1], isFinal: false)
            cases.append(AutobahnCase("5.\(index + 1)", [half, .continuation("x")], failure: 1002))
        }
        for (index, chop) in [Int.max, 15, 1].enumerated() {
            cases += [
                AutobahnCase("5.\(3 + index)", parts, chop: chop, answers: [whole]),
                AutobahnCase(
                    "5.\(6 + index)", [first, .ping(ping), second], chop: chop, answers: [.pong(ping), whole]),
                AutobahnCase(
                    "5.\(9 + index)", [.continuation("non-continuation payload"), .text("Hello")], chop: chop,
                    failure: 1002),
                AutobahnCase(
                    "5.\(12 + index)", [.continuation("non-continuation payload", final: false), .text("Hello")],
                    chop: chop, failure: 1002),
            ]
        }
        let endless = ClientFrame.continuation("fragment3", final: false)
        let five: [ClientFrame] = [
            first, .continuation("fragment2", final: false), .ping(ping), .continuation("fragment3", final: false),
            .continuation("fragment4", final: false), .ping(ping), .continuation("fragment5"),
        ]
        let fiveAnswer = ServerFrame.text("fragment1fragment2fragment3fragment4fragment5")
        return cases + [
            AutobahnCase("5.15", parts + [endless, .text("fragment4")], answers: [whole], failure: 1002),
            AutobahnCase("5.16", [endless, first, second], failure: 1002),
            AutobahnCase("5.17", [.continuation("fragment1"), first, second], failure: 1002),
            AutobahnCase("5.18", [first, .text("fragment2")], failure: 1002),
            AutobahnCase("5.19", five, answers: [.pong(ping), .pong(ping), fiveAnswer]),
            AutobahnCase("5.20", five, chop: 7, answers: [.pong(ping), .pong(ping), fiveAnswer]),
        ]
    }
}

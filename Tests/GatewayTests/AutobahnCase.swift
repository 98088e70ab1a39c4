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

    /// How the client's bytes come in.
    enum Pieces: Hashable {
        case whole
        case frames
        /// So many bytes at a time.
        case chops(Int)
    }

    var number: String
    /// In the pieces in which they come in.
    var bytes: [[UInt8]]
    var answers: [ServerFrame]
    var end: End

    /// - Parameters:
    ///   - answers: what the server sends before the end.
    ///   - failure: the code by which the server must fail the connection; otherwise the client closes with 1000.
    init(
        _ number: String, _ frames: [ClientFrame], in pieces: Pieces = .whole, answers: [ServerFrame] = [],
        failure: UInt16? = nil
    ) {
        self.number = number
        self.answers = answers
        let frames = failure == nil ? frames + [.close(1000)] : frames
        end = failure.map { .failed($0) } ?? .closed(1000)
        bytes = AutobahnCase.cut(frames.map(\.bytes), pieces)
    }

    private static func cut(_ frames: [[UInt8]], _ pieces: Pieces) -> [[UInt8]] {
        switch pieces {
        case .whole: return [frames.flatMap { $0 }]
        case .frames: return frames
        case .chops(let size):
            let whole = frames.flatMap { $0 }
            return stride(from: 0, to: whole.count, by: size).map { Array(whole[$0..<min($0 + size, whole.count)]) }
        }
    }

    /// A case in which the client's own close frame is the matter.
    init(_ number: String, closing frames: [ClientFrame], answers: [ServerFrame] = [], code: UInt16) {
        self.number = number
        self.answers = answers
        bytes = [frames.flatMap(\.bytes)]
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
            let pieces = index == 7 ? AutobahnCase.Pieces.chops(997) : .whole
            return [
                AutobahnCase("1.1.\(index + 1)", [.text(text)], in: pieces, answers: [.text(text)]),
                AutobahnCase(
                    "1.2.\(index + 1)", [ClientFrame(opcode: 2, payload: bytes)], in: pieces,
                    answers: [.binary(bytes)]),
            ]
        }
    }

    private static var pings: [AutobahnCase] {
        let text = [UInt8]("Hello, world!".utf8)
        let payload = [UInt8]("ping payload".utf8)
        let binary: [UInt8] = [0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]
        let long = [UInt8](repeating: 0xfe, count: 125)
        let pong = ClientFrame(opcode: 10, payload: [UInt8]("unsolicited pong payload".utf8))
        let ten = (0..<10).map { [UInt8]("payload-\($0)".utf8) }
        return [
            AutobahnCase("2.1", [.ping()], answers: [.pong()]),
            AutobahnCase("2.2", [.ping(text)], answers: [.pong(text)]),
            AutobahnCase("2.3", [.ping(binary)], answers: [.pong(binary)]),
            AutobahnCase("2.4", [.ping(long)], answers: [.pong(long)]),
            AutobahnCase("2.5", [.ping(long + [0xfe])], failure: 1002),
            AutobahnCase("2.6", [.ping(long)], in: .chops(1), answers: [.pong(long)]),
            AutobahnCase("2.7", [ClientFrame(opcode: 10, payload: [])]),
            AutobahnCase("2.8", [pong]),
            AutobahnCase("2.9", [pong, .ping(payload)], answers: [.pong(payload)]),
            AutobahnCase("2.10", ten.map { .ping($0) }, answers: ten.map { .pong($0) }),
            AutobahnCase("2.11", ten.map { .ping($0) }, in: .chops(1), answers: ten.map { .pong($0) }),
        ]
    }

    private static var reservedBits: [AutobahnCase] {
        let small = "Hello, world!"
        let binary: [UInt8] = [0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]
        func text(_ reserved: UInt8) -> ClientFrame {
            ClientFrame(opcode: 1, payload: [UInt8](small.utf8), reserved: reserved)
        }
        return [
            AutobahnCase("3.1", [text(1)], failure: 1002),
            AutobahnCase("3.2", [.text(small), text(2), .ping()], answers: [.text(small)], failure: 1002),
            AutobahnCase("3.3", [.text(small), text(3), .ping()], in: .frames, answers: [.text(small)], failure: 1002),
            AutobahnCase(
                "3.4", [.text(small), text(4), .ping()], in: .chops(1), answers: [.text(small)], failure: 1002),
            AutobahnCase("3.5", [ClientFrame(opcode: 2, payload: binary, reserved: 5)], failure: 1002),
            // The suite calls it a ping, and sends a binary message; both must fail.
            AutobahnCase("3.6", [ClientFrame(opcode: 9, payload: [UInt8](small.utf8), reserved: 6)], failure: 1002),
            AutobahnCase("3.7", [ClientFrame(opcode: 8, payload: [], reserved: 7)], failure: 1002),
        ]
    }

    private static var opcodes: [AutobahnCase] {
        let small = "Hello, world!"
        return [(UInt8(3), 1), (11, 2)].flatMap { first, group -> [AutobahnCase] in
            (0..<5).map { offset in
                let payload = ["", "reserved opcode payload", "", small, small][offset]
                let reserved = ClientFrame(opcode: first + UInt8(offset), payload: [UInt8](payload.utf8))
                let number = "4.\(group).\(offset + 1)"
                if offset < 2 { return AutobahnCase(number, [reserved], failure: 1002) }
                return AutobahnCase(
                    number, [.text(small), reserved, .ping()], in: offset == 4 ? .chops(1) : .whole,
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
            let half = ClientFrame(opcode: opcode, payload: [UInt8]("fragment1".utf8), isFinal: false)
            cases.append(AutobahnCase("5.\(index + 1)", [half, .continuation("fragment2")], failure: 1002))
        }
        for (index, pieces) in [AutobahnCase.Pieces.whole, .frames, .chops(1)].enumerated() {
            cases += [
                AutobahnCase("5.\(3 + index)", parts, in: pieces, answers: [whole]),
                AutobahnCase(
                    "5.\(6 + index)", [first, .ping(ping), second], in: pieces, answers: [.pong(ping), whole]),
                AutobahnCase(
                    "5.\(9 + index)", [.continuation("non-continuation payload"), .text("Hello, world!")], in: pieces,
                    failure: 1002),
                AutobahnCase(
                    "5.\(12 + index)",
                    [.continuation("non-continuation payload", final: false), .text("Hello, world!")],
                    in: pieces, failure: 1002),
            ]
        }
        let pings = ["pongme 1!", "pongme 2!"].map { [UInt8]($0.utf8) }
        func stray(final: Bool) -> [ClientFrame] {
            let triple: [ClientFrame] = [
                .continuation("fragment1", final: final), .text("fragment2", final: false), .continuation("fragment3"),
            ]
            return triple + triple
        }
        let five: [ClientFrame] = [
            first, .continuation("fragment2", final: false), .ping(pings[0]), .continuation("fragment3", final: false),
            .continuation("fragment4", final: false), .ping(pings[1]), .continuation("fragment5"),
        ]
        let fiveAnswer = ServerFrame.text("fragment1fragment2fragment3fragment4fragment5")
        return cases + [
            AutobahnCase(
                "5.15", parts + [.continuation("fragment3", final: false), .text("fragment4")], answers: [whole],
                failure: 1002),
            AutobahnCase("5.16", stray(final: false), failure: 1002),
            AutobahnCase("5.17", stray(final: true), failure: 1002),
            AutobahnCase("5.18", [first, .text("fragment2")], failure: 1002),
            AutobahnCase("5.19", five, answers: [.pong(pings[0]), .pong(pings[1]), fiveAnswer]),
            AutobahnCase("5.20", five, in: .frames, answers: [.pong(pings[0]), .pong(pings[1]), fiveAnswer]),
        ]
    }
}

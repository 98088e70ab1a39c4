extension Array where Element == AutobahnCase {
    /// Group 6: UTF-8, whole, in fragments, and failing at the first wrong byte.
    static var text: [AutobahnCase] { fragments + failFast + sequences }

    private static func fragmented(_ bytes: [UInt8], by size: Int) -> [ClientFrame] {
        let starts = Swift.Array(stride(from: 0, to: bytes.count, by: size))
        return starts.map { start in
            ClientFrame(
                opcode: start == 0 ? 1 : 0, payload: Swift.Array(bytes[start..<Swift.min(start + size, bytes.count)]),
                isFinal: start + size >= bytes.count)
        }
    }

    private static var fragments: [AutobahnCase] {
        let valid = "Hello-µ@ßöäüàá-UTF-8!!"
        let bytes = Swift.Array(valid.utf8)
        let greek = Swift.Array("κ\u{1f79}σμε".utf8)
        let invalid = greek + [0xed, 0xa0, 0x80] + Swift.Array("edited".utf8)
        return [
            AutobahnCase("6.1.1", [.text("")], answers: [.text("")]),
            AutobahnCase(
                "6.1.2", [.text("", final: false), .continuation("", final: false), .continuation("")],
                answers: [.text("")]),
            AutobahnCase(
                "6.1.3",
                [.text("", final: false), .continuation("middle frame payload", final: false), .continuation("")],
                answers: [.text("middle frame payload")]),
            AutobahnCase("6.2.1", [.text(valid)], answers: [.text(valid)]),
            AutobahnCase(
                "6.2.2", [.text("Hello-µ@ßöä", final: false), .continuation("üàá-UTF-8!!")], answers: [.text(valid)]),
            AutobahnCase("6.2.3", fragmented(bytes, by: 1), answers: [.text(valid)]),
            AutobahnCase("6.2.4", fragmented(greek, by: 1), answers: [.text("κ\u{1f79}σμε")]),
            AutobahnCase("6.3.1", [ClientFrame(opcode: 1, payload: invalid)], failure: 1007),
            AutobahnCase("6.3.2", fragmented(invalid, by: 1), failure: 1007),
        ]
    }

    /// The failure must come with the wrong byte, though the message goes on: what follows is never sent here.
    private static var failFast: [AutobahnCase] {
        let greek = Swift.Array("κ\u{1f79}σμε".utf8)
        var cases = [
            AutobahnCase(
                "6.4.1",
                [
                    ClientFrame(opcode: 1, payload: greek, isFinal: false),
                    ClientFrame(opcode: 0, payload: [0xf4, 0x90, 0x80, 0x80], isFinal: false),
                ], failure: 1007),
            AutobahnCase(
                "6.4.2",
                [
                    ClientFrame(opcode: 1, payload: greek + [0xf4], isFinal: false),
                    ClientFrame(opcode: 0, payload: [0x90], isFinal: false),
                ], failure: 1007),
        ]
        // One frame that announces more than is sent: the text so far, then what makes it wrong.
        let frame = ClientFrame(opcode: 1, payload: greek + [0xf4, 0x90, 0x80, 0x80] + [UInt8]("edited".utf8)).bytes
        let start = frame.count - (greek.count + 4 + 6)
        for (number, cuts) in [
            ("6.4.3", (greek.count, greek.count + 4)), ("6.4.4", (greek.count + 1, greek.count + 2)),
        ] {
            var unfinished = AutobahnCase(number, [], failure: 1007)
            unfinished.bytes = [
                [UInt8](frame[..<(start + cuts.0)]), [UInt8](frame[(start + cuts.0)..<(start + cuts.1)]),
            ]
            cases.append(unfinished)
        }
        return cases
    }

    private static var sequences: [AutobahnCase] {
        let greek = Swift.Array("κ\u{1f79}σμε".utf8)
        var groups: [(Int, Bool, [[UInt8]])] = [
            (
                5, true,
                ["hello$world", "hello¢world", "hello€world", "hello𤭢world"].map { Swift.Array($0.utf8) } + [greek]
            ),
            (7, true, [[0], [0xc2, 0x80], [0xe0, 0xa0, 0x80], [0xf0, 0x90, 0x80, 0x80]]),
            (8, false, [[0xf8, 0x88, 0x80, 0x80, 0x80], [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80]]),
            (9, true, [[0x7f], [0xdf, 0xbf], [0xef, 0xbf, 0xbf], [0xf4, 0x8f, 0xbf, 0xbf]]),
            (
                10, false,
                [[0xf7, 0xbf, 0xbf, 0xbf], [0xfb, 0xbf, 0xbf, 0xbf, 0xbf], [0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]]
            ),
            (11, true, [[0xed, 0x9f, 0xbf], [0xee, 0x80, 0x80], [0xef, 0xbf, 0xbd], [0xf4, 0x8f, 0xbf, 0xbf]]),
            (16, false, [[0xfe], [0xff], [0xfe, 0xfe, 0xff, 0xff]]),
        ]
        let continuations: [UInt8] = [0x80, 0xbf, 0x80, 0xbf, 0x80, 0xbf]
        let lonely: [Range<UInt8>] = [0xc0..<0xdf, 0xe0..<0xef, 0xf0..<0xf7, 0xf8..<0xfb, 0xfc..<0xfd]
        let incomplete: [[UInt8]] = [
            [0xc0], [0xe0, 0x80], [0xf0, 0x80, 0x80], [0xf8, 0x80, 0x80, 0x80], [0xfc, 0x80, 0x80, 0x80, 0x80], [0xdf],
            [0xef, 0xbf], [0xf7, 0xbf, 0xbf], [0xfb, 0xbf, 0xbf, 0xbf], [0xfd, 0xbf, 0xbf, 0xbf, 0xbf],
        ]
        func overlong(_ head: [UInt8], last: UInt8) -> [[UInt8]] {
            let fill: UInt8 = last == 0xbf ? 0xbf : 0x80
            return [
                [head[0], last], [0xe0, head[1], last], [0xf0, head[2], fill, last],
                [0xf8, head[3], fill, fill, last], [0xfc, head[4], fill, fill, fill, last],
            ]
        }
        groups += [
            (12, false, [[0x80], [0xbf]] + (2...6).map { Swift.Array(continuations.prefix($0)) }),
            (12, false, [Swift.Array(0x80..<0xbf)]),
            (13, false, lonely.map { $0.flatMap { [$0, 0x20] } }),
            (14, false, incomplete),
            (15, false, [incomplete.flatMap { $0 }]),
            (17, false, overlong([0xc0, 0x80, 0x80, 0x80, 0x80], last: 0xaf)),
            (18, false, overlong([0xc1, 0x9f, 0x8f, 0x87, 0x83], last: 0xbf)),
            (19, false, overlong([0xc0, 0x80, 0x80, 0x80, 0x80], last: 0x80)),
        ]
        let high: [[UInt8]] = [[0xed, 0xa0, 0x80], [0xed, 0xad, 0xbf], [0xed, 0xae, 0x80], [0xed, 0xaf, 0xbf]]
        let low: [[UInt8]] = [[0xed, 0xb0, 0x80], [0xed, 0xbe, 0x80], [0xed, 0xbf, 0xbf]]
        groups += [
            (20, false, high + low),
            (21, false, high.flatMap { first in [low[0], low[2]].map { first + $0 } }),
            (22, true, nonCharacters),
            (23, true, (0xfff9...0xffff).compactMap { Unicode.Scalar($0).map { Swift.Array(String($0).utf8) } }),
        ]
        var next: [Int: Int] = [:]
        var cases: [AutobahnCase] = []
        for (group, isValid, sequences) in groups {
            for bytes in sequences {
                next[group, default: 0] += 1
                let number = "6.\(group).\(next[group]!)"
                let frame = ClientFrame(opcode: 1, payload: bytes)
                let answer = ServerFrame(opcode: 1, payload: bytes)
                cases.append(
                    isValid
                        ? AutobahnCase(number, [frame], answers: [answer])
                        : AutobahnCase(number, [frame], failure: 1007))
            }
        }
        // The first code point beyond Unicode; it stands in group 11 with the valid ones.
        cases.append(
            AutobahnCase("6.11.5", [ClientFrame(opcode: 1, payload: [0xf4, 0x90, 0x80, 0x80])], failure: 1007))
        // Every prefix of a word of two-byte (one three-byte) characters.
        for length in 1...greek.count {
            let prefix = Swift.Array(greek.prefix(length))
            let frame = ClientFrame(opcode: 1, payload: prefix)
            let isWhole = String(validating: prefix, as: UTF8.self) != nil
            cases.append(
                isWhole
                    ? AutobahnCase("6.6.\(length)", [frame], answers: [ServerFrame(opcode: 1, payload: prefix)])
                    : AutobahnCase("6.6.\(length)", [frame], failure: 1007))
        }
        return cases
    }

    private static var nonCharacters: [[UInt8]] {
        (0...16).flatMap { plane in
            [0xfffe, 0xffff].compactMap {
                Unicode.Scalar(UInt32(plane << 16 | $0)).map { Swift.Array(String($0).utf8) }
            }
        }
    }
}

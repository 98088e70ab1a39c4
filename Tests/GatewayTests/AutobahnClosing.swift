extension Array where Element == AutobahnCase {
    /// Group 7: closing.
    static var closing: [AutobahnCase] {
        let hello = ServerFrame.text("Hello World!")
        func echo(_ code: UInt16, _ reason: [UInt8] = []) -> ServerFrame {
            ServerFrame(opcode: 8, payload: [UInt8(code >> 8), UInt8(code & 255)])
        }
        let large = String(String(repeating: "BAsd7&jh23", count: 26215).prefix(256 << 10))
        let surrogate = [UInt8]("κ\u{1f79}σμε".utf8) + [0xed, 0xa0, 0x80] + [UInt8]("edited".utf8)
        var cases = [
            AutobahnCase("7.1.1", [.text("Hello World!")], answers: [hello]),
            AutobahnCase("7.1.2", closing: [.close(1000), .close(nil)], answers: [echo(1000)], code: 1000),
            AutobahnCase("7.1.3", closing: [.close(1000), .ping()], answers: [echo(1000)], code: 1000),
            AutobahnCase("7.1.4", closing: [.close(1000), .text("Hello World!")], answers: [echo(1000)], code: 1000),
            AutobahnCase(
                "7.1.5", closing: [.text("fragment1", final: false), .close(1000), .continuation("fragment2")],
                answers: [echo(1000)], code: 1000),
            AutobahnCase(
                "7.1.6", closing: [.text(large), .text("Hello World!"), .close(1000), .ping()],
                answers: [.text(large), hello, echo(1000)], code: 1000),
            AutobahnCase("7.3.1", closing: [.close(nil)], answers: [ServerFrame(opcode: 8, payload: [])], code: 0),
            AutobahnCase("7.3.2", [ClientFrame(opcode: 8, payload: [0x61])], failure: 1002),
            AutobahnCase("7.3.3", closing: [.close(1000)], answers: [echo(1000)], code: 1000),
            AutobahnCase(
                "7.3.4", closing: [.close(1000, Swift.Array("Hello World!".utf8))], answers: [echo(1000)], code: 1000),
            AutobahnCase(
                "7.3.5", closing: [.close(1000, [UInt8](repeating: 0x2a, count: 123))], answers: [echo(1000)],
                code: 1000),
            AutobahnCase("7.3.6", [.close(1000, [UInt8](repeating: 0x2a, count: 124))], failure: 1002),
            AutobahnCase("7.5.1", [.close(1000, surrogate)], failure: 1007),
            AutobahnCase("7.13.1", [.close(5000)], failure: 1002),
            AutobahnCase("7.13.2", [.close(65535)], failure: 1002),
        ]
        let valid: [UInt16] = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
        for (index, code) in valid.enumerated() {
            cases.append(AutobahnCase("7.7.\(index + 1)", closing: [.close(code)], answers: [echo(code)], code: code))
        }
        let invalid: [UInt16] = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]
        for (index, code) in invalid.enumerated() {
            cases.append(AutobahnCase("7.9.\(index + 1)", [.close(code)], failure: 1002))
        }
        return cases
    }

    /// Groups 9 and 10: large messages, many fragments, chopped bytes, many messages.
    static var large: [AutobahnCase] {
        var cases: [AutobahnCase] = []
        for opcode in [UInt8(1), 2] {
            func payload(_ size: Int) -> [UInt8] { [UInt8](repeating: opcode == 1 ? 0x2a : 0xfe, count: size) }
            func whole(_ bytes: [UInt8]) -> ServerFrame { ServerFrame(opcode: opcode, payload: bytes) }
            for (index, size) in [1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 23, 1 << 24].enumerated() {
                let bytes = payload(size)
                cases.append(
                    AutobahnCase(
                        "9.\(opcode).\(index + 1)", [ClientFrame(opcode: opcode, payload: bytes)], in: .chops(1 << 16),
                        answers: [whole(bytes)]))
            }
            for (index, shift) in stride(from: 6, through: 22, by: 2).enumerated() {
                let bytes = payload(1 << 22)
                let size = 1 << shift
                let frames = stride(from: 0, to: bytes.count, by: size).map { start in
                    ClientFrame(
                        opcode: start == 0 ? opcode : 0, payload: Swift.Array(bytes[start..<start + size]),
                        isFinal: start + size == bytes.count)
                }
                cases.append(
                    AutobahnCase("9.\(2 + opcode).\(index + 1)", frames, in: .chops(1 << 16), answers: [whole(bytes)]))
            }
            for (index, chop) in [64, 128, 256, 512, 1024, 2048].enumerated() {
                let bytes = payload(1 << 20)
                cases.append(
                    AutobahnCase(
                        "9.\(4 + opcode).\(index + 1)", [ClientFrame(opcode: opcode, payload: bytes)], in: .chops(chop),
                        answers: [whole(bytes)]))
            }
            for (index, size) in [0, 16, 64, 256, 1024, 4096].enumerated() {
                let frame = ClientFrame(opcode: opcode, payload: payload(size))
                cases.append(
                    AutobahnCase(
                        "9.\(6 + opcode).\(index + 1)", [ClientFrame](repeating: frame, count: 1000),
                        in: .chops(1 << 16),
                        answers: [ServerFrame](repeating: whole(frame.payload), count: 1000)))
            }
        }
        let text = [UInt8](repeating: 0x2a, count: 65536)
        let frames = stride(from: 0, to: text.count, by: 1300).map { start in
            ClientFrame(
                opcode: start == 0 ? 1 : 0, payload: Swift.Array(text[start..<Swift.min(start + 1300, text.count)]),
                isFinal: start + 1300 >= text.count)
        }
        cases.append(AutobahnCase("10.1.1", frames, answers: [ServerFrame(opcode: 1, payload: text)]))
        return cases
    }
}

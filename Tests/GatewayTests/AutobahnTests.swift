import NIOCore
import Testing

@testable import Gateway

/// The cases of Autobahn's groups 1 to 7, 9 and 10 (8 is reserved, 11 to 13 are compression extensions, which Discord
/// does not use), against the gateway's WebSocket core.
@Suite struct AutobahnTests {
    @Test(arguments: [AutobahnCase].framing) func framing(_ test: AutobahnCase) { check(test) }
    @Test(arguments: [AutobahnCase].text) func text(_ test: AutobahnCase) { check(test) }
    @Test(arguments: [AutobahnCase].closing) func closing(_ test: AutobahnCase) { check(test) }
    @Test func largeMessages() { for test in [AutobahnCase].large { check(test) } }

    private func check(_ test: AutobahnCase) {
        var server = EchoServer()
        server.receive(test.bytes, chop: test.chop)
        var frames = server.frames
        switch test.end {
        case .failed(let code):
            #expect(server.failure == code, "\(test.number)")
            #expect(server.closed == nil, "\(test.number)")
        case .closed(let code):
            #expect(server.failure == nil, "\(test.number)")
            #expect(server.closed == code, "\(test.number)")
            // The close frame is the last thing the server says.
            #expect(frames.last?.opcode == 8, "\(test.number)")
            if test.answers.last?.opcode != 8 { frames.removeLast() }
        }
        #expect(frames.count == test.answers.count, "\(test.number)")
        #expect(frames == test.answers, "\(test.number)")
    }

    @Test func everyNumberIsThereOnce() {
        let cases = [AutobahnCase].framing + [AutobahnCase].text + [AutobahnCase].closing + [AutobahnCase].large
        #expect(Set(cases.map(\.number)).count == cases.count)
        for (group, count) in [("1.", 16), ("2.", 11), ("3.", 7), ("4.", 10), ("5.", 20), ("7.", 37), ("9.", 54)] {
            #expect(cases.count { $0.number.hasPrefix(group) } == count, "group \(group)")
        }
    }

    @Test func anUnmaskedFrameFailsTheConnection() {
        var server = EchoServer()
        server.receive([0x81, 0x01, 0x61], chop: 3)
        #expect(server.failure == 1002)
    }

    @Test func aTooLongMessageFailsBeforeItsBytesCome() throws {
        var endpoint = WebSocketEndpoint(maximumMessageBytes: 4096)
        var bytes = ByteBuffer(
            bytes: Array(ClientFrame(opcode: 1, payload: [UInt8](repeating: 97, count: 4097)).bytes.prefix(8)))
        #expect(endpoint.next(&bytes) == .failed(.tooLarge(limit: 4096)))
    }

    @Test func fragmentsTogetherMayNotPassTheLimit() {
        var endpoint = WebSocketEndpoint(maximumMessageBytes: 4096)
        let half = [UInt8](repeating: 97, count: 2049)
        var bytes = ByteBuffer(
            bytes: ClientFrame(opcode: 1, payload: half, isFinal: false).bytes
                + ClientFrame(opcode: 0, payload: half).bytes)
        #expect(endpoint.next(&bytes) == .failed(.tooLarge(limit: 4096)))
    }
}

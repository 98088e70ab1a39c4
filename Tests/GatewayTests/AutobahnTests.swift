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
        server.receive(test.bytes)
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
        // As in version 25.10.1 of the suite.
        var counts = ["1.1": 8, "1.2": 8, "4.1": 5, "4.2": 5, "10.1": 1]
        for (group, count) in [(2, 11), (3, 7), (5, 20)] {
            for number in 1...count { counts["\(group).\(number)"] = 1 }
        }
        let text = [3, 4, 2, 4, 5, 11, 4, 2, 4, 3, 5, 8, 5, 10, 1, 3, 5, 5, 5, 7, 8, 34, 7]
        for (index, count) in text.enumerated() { counts["6.\(index + 1)"] = count }
        for (group, count) in [(1, 6), (3, 6), (5, 1), (7, 13), (9, 9), (13, 2)] { counts["7.\(group)"] = count }
        for (index, count) in [6, 6, 9, 9, 6, 6, 6, 6].enumerated() { counts["9.\(index + 1)"] = count }
        let found = Dictionary(
            grouping: cases, by: { $0.number.split(separator: ".").prefix(2).joined(separator: ".") })
        #expect(found.mapValues(\.count) == counts)
        #expect(cases.count == 301)
    }

    @Test func anUnmaskedFrameFailsTheConnection() {
        var server = EchoServer()
        server.receive([[0x81, 0x01, 0x61]])
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

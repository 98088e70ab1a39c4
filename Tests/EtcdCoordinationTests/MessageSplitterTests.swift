import NIOCore
import Testing

@testable import EtcdCoordination

@Suite struct MessageSplitterTests {
    private func messages(_ pieces: [String], limit: Int = 100) throws -> [String] {
        var splitter = MessageSplitter(limit: limit)
        var found: [String] = []
        for piece in pieces {
            splitter.append(ByteBuffer(string: piece))
            while let message = try splitter.next() { found.append(String(buffer: message)) }
        }
        return found
    }

    @Test func messagesComeOutHoweverTheBytesAreCut() throws {
        let text = "{\"a\":1}\n\n{\"b\":2}\n{}\n"
        for cut in 1..<text.count {
            var pieces: [String] = []
            var rest = text[...]
            while !rest.isEmpty {
                pieces.append(String(rest.prefix(cut)))
                rest = rest.dropFirst(cut)
            }
            #expect(try messages(pieces) == [#"{"a":1}"#, #"{"b":2}"#, "{}"])
        }
    }

    @Test func anUnfinishedMessageWaits() throws { #expect(try messages(["{", "}"]) == []) }

    @Test func tooLongAMessageIsRefusedWithItsEndOrWithout() throws {
        #expect(try messages(["12345\n"], limit: 5) == ["12345"])
        #expect(throws: MessageSplitter.TooLong.self) { try messages(["123456\n"], limit: 5) }
        #expect(throws: MessageSplitter.TooLong.self) { try messages(["1234", "56"], limit: 5) }
    }
}

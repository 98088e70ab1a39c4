import NIOCore
import Testing

@testable import Wire

@Suite struct PayloadDifferenceTests {
    @Test(arguments: [
        ("", ""), ("a", ""), ("", "a"), ("same", "same"), ("aa", "a"), ("a", "aa"), ("abab", "ab"),
        (#"{"id":"1","content":"hello","tts":false}"#, #"{"id":"1","content":"","tts":false}"#), ("left", "right"),
    ])
    func isUndoneByApplyingIt(_ original: String, _ changed: String) throws {
        let made = PayloadDifference(from: ByteBuffer(string: original), to: ByteBuffer(string: changed))
        let read = try PayloadDifference(decoding: made.encoded())
        #expect(read.applied(to: ByteBuffer(string: original)) == ByteBuffer(string: changed))
    }

    @Test func holdsOnlyWhatDiffers() {
        let made = PayloadDifference(
            from: ByteBuffer(string: #"{"a":1,"content":"secret","b":2}"#),
            to: ByteBuffer(string: #"{"a":1,"content":"","b":2}"#))
        #expect(made.middle.readableBytes == 0)
        #expect(made.prefix == 18)
    }

    @Test func oneThatDoesNotFitIsNoPayload() throws {
        var difference = PayloadDifference(from: ByteBuffer(string: "abc"), to: ByteBuffer(string: "abd"))
        difference.suffix = 2
        #expect(difference.applied(to: ByteBuffer(string: "abc")) == nil)
        difference.prefix = Int.max
        #expect(difference.applied(to: ByteBuffer(string: "abc")) == nil)
        difference = PayloadDifference(from: ByteBuffer(string: "abc"), to: ByteBuffer(string: "abd"))
        #expect(difference.applied(to: ByteBuffer(string: "a")) == nil)
    }
}

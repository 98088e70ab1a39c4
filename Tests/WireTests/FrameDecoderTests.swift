import NIOCore
import Testing

@testable import Wire

@Suite struct FrameDecoderTests {
    private func frame(_ body: String, type: FrameType = .item, id: UInt64 = 3) -> ByteBuffer {
        var output = FrameOutput()
        output.append(type, streamID: id, body: ByteBuffer(string: body)) { $0.write(1, UInt64(5)) }
        return output.take().reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
    }

    @Test(arguments: [1, 2, 5, 64]) func framesAreFoundHoweverTheBytesAreCut(size: Int) throws {
        var bytes = frame("one")
        bytes.writeImmutableBuffer(frame(""))
        bytes.writeImmutableBuffer(frame(String(repeating: "x", count: 300), id: 4))
        var decoder = FrameDecoder(maximumLength: 1_000)
        var bodies: [String] = []
        while let part = bytes.readSlice(length: min(size, bytes.readableBytes)), part.readableBytes > 0 {
            decoder.append(part)
            while let frame = try decoder.next() { bodies.append(String(buffer: frame.body)) }
        }
        #expect(bodies == ["one", "", String(repeating: "x", count: 300)])
        #expect(decoder.bufferedBytes == 0)
    }

    @Test func everyPrefixOfAFrameNeedsMore() throws {
        let bytes = frame("body")
        for count in 0..<bytes.readableBytes {
            var decoder = FrameDecoder(maximumLength: 1_000)
            decoder.append(try #require(bytes.getSlice(at: 0, length: count)))
            #expect(try decoder.next() == nil)
        }
    }

    @Test func aFrameBeyondTheMaximumIsRefusedByItsLengthAlone() {
        var decoder = FrameDecoder(maximumLength: 100)
        decoder.append(ByteBuffer(integer: UInt32(101), endianness: .little))
        #expect(throws: FrameError.tooLarge(101)) { try decoder.next() }
        // And stays refused.
        decoder.append(frame("right"))
        #expect(throws: FrameError.tooLarge(101)) { try decoder.next() }
        #expect(decoder.bufferedBytes == 0)
    }

    @Test func aFrameShorterThanItsHeaderIsRefused() {
        var decoder = FrameDecoder(maximumLength: 100)
        decoder.append(ByteBuffer(integer: UInt32(11), endianness: .little))
        #expect(throws: FrameError.tooShort(11)) { try decoder.next() }
    }

    @Test func fieldsBeyondTheFrameAreRefusedBeforeTheRestArrives() {
        var bytes = ByteBuffer()
        bytes.writeMultipleIntegers(UInt32(20), UInt8(3), UInt8(0), UInt16(9), endianness: .little)
        var decoder = FrameDecoder(maximumLength: 100)
        decoder.append(bytes)
        #expect(throws: FrameError.fieldsTooLong) { try decoder.next() }
    }

    @Test func anotherPrefaceIsRefusedAtItsFirstWrongByte() throws {
        for count in 1...FrameDecoder.preface.count {
            var decoder = FrameDecoder(maximumLength: 100, expectsPreface: true)
            var bytes = Array(FrameDecoder.preface.prefix(count))
            decoder.append(ByteBuffer(bytes: bytes))
            #expect(try decoder.next() == nil)
            bytes[count - 1] ^= 0x20
            decoder = FrameDecoder(maximumLength: 100, expectsPreface: true)
            decoder.append(ByteBuffer(bytes: bytes))
            #expect(throws: FrameError.foreignProtocol) { try decoder.next() }
        }
    }

    @Test func aLargeBodyIsWrittenWithoutACopy() {
        let body = ByteBuffer(repeating: 1, count: FrameOutput.sharedBodySize)
        var output = FrameOutput()
        output.append(.item, streamID: 1, body: body)
        output.append(.item, streamID: 1, body: ByteBuffer(string: "small"))
        let buffers = output.take()
        #expect(buffers.count == 3)
        let address = { (buffer: ByteBuffer) in buffer.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) } }
        #expect(address(buffers[1]) == address(body))
    }

    @Test func longReasonsAndTracesAreCut() throws {
        let failure = Failure(.refused, String(repeating: "é", count: 2_000))
        let read = try Failure(decoding: failure.encoded())
        #expect(read.reason == String(repeating: "é", count: Failure.maximumReasonBytes / 2))
        var trace: [String: String] = ["long": String(repeating: "x", count: 2_000)]
        for number in 0..<20 { trace["k\(number)"] = "v" }
        let head = try RequestHead(decoding: RequestHead(method: 1, trace: trace).encoded())
        #expect(head.trace.count <= RequestHead.maximumTraceEntries)
        #expect(head.trace["long"] == nil)
    }
}

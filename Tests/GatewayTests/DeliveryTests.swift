import Foundation
import Identity
import NIOCore
import Testing

@testable import Gateway

/// What goes out, judged by zlib's own inflate and by a reading of RFC 8878.
@Suite struct DeliveryTests {
    private func dispatch(_ words: Int) -> Dispatch {
        let text = (0..<words).map { "word\($0 % 97)" }.joined(separator: " ")
        return Dispatch(type: "MESSAGE_CREATE", payload: ByteBuffer(string: #"{"content":"\#(text)"}"#))
    }

    private func json(_ dispatch: Dispatch, _ sequence: Int) -> String {
        #"{"s":\#(sequence),"# + String(buffer: dispatch.tail)
    }

    @Test(arguments: [0, 9, 10, 99, 123_456_789]) func aTextFrameIsHeadAndTail(_ sequence: Int) {
        let scratch = OutputScratch()
        let dispatch = dispatch(3)
        var encoding = OutputEncoding.text
        encoding.write(dispatch, sequence: sequence, to: scratch, deflater: Deflater())
        let frames = ServerFrame.parse(scratch.bytes())
        #expect(frames == [.text(json(dispatch, sequence))])
    }

    @Test func oneCompressionServesStreamsWithDifferentPasts() throws {
        let deflater = Deflater()
        let dispatches = [0, 1, 500, 20, 60_000, 7, 7, 7].map(dispatch)
        // The second connection has had more before, so that heads differ in length and window in content.
        for first in [1, 99_998] {
            var encoding = OutputEncoding.zlibStream(hasBegun: false)
            let inflater = Inflater()
            let scratch = OutputScratch(capacity: 64)
            encoding.write(ProtocolMachine.hello, to: scratch)
            for (index, dispatch) in dispatches.enumerated() {
                encoding.write(dispatch, sequence: first + index, to: scratch, deflater: deflater)
                encoding.write(ProtocolMachine.heartbeatACK, to: scratch)
            }
            let frames = ServerFrame.parse(scratch.bytes())
            #expect(frames.count == 1 + 2 * dispatches.count)
            var texts: [String] = []
            for frame in frames {
                #expect(frame.opcode == 2)
                #expect(frame.payload.suffix(4) == [0, 0, 0xff, 0xff])
                texts.append(String(decoding: try inflater.inflate(frame.payload), as: UTF8.self))
            }
            #expect(texts[0] == String(buffer: ProtocolMachine.hello))
            for (index, dispatch) in dispatches.enumerated() {
                #expect(texts[1 + 2 * index] == json(dispatch, first + index))
                #expect(texts[2 + 2 * index] == String(buffer: ProtocolMachine.heartbeatACK))
            }
        }
        // Seven-word tails three times, and each only once.
        #expect(
            deflater.takeUse().count == dispatches.filter { $0.tail.readableBytes >= Dispatch.smallestDeflated }.count)
    }

    @Test func aLongPayloadOfTheConnectionsOwnIsStoredInSeveralBlocks() throws {
        var encoding = OutputEncoding.zlibStream(hasBegun: false)
        let scratch = OutputScratch()
        let payload = ByteBuffer(string: String(repeating: "abc", count: 50_000))
        encoding.write(payload, to: scratch)
        let frames = ServerFrame.parse(scratch.bytes())
        #expect(try Inflater().inflate(frames[0].payload) == Array(payload.readableBytesView))
    }

    @Test func payloadCompressionMakesWholeZlibStreamsOfLargeOnesOnly() throws {
        let deflater = Deflater()
        let scratch = OutputScratch()
        var encoding = OutputEncoding.payloadCompression
        let (small, large) = (dispatch(3), dispatch(2000))
        for (index, dispatch) in [small, large, large].enumerated() {
            encoding.write(dispatch, sequence: index + 8, to: scratch, deflater: deflater)
        }
        let frames = ServerFrame.parse(scratch.bytes())
        #expect(frames.map(\.opcode) == [1, 2, 2])
        // Inflate checks the Adler-32 at the end of each stream.
        #expect(try Inflater().inflate(frames[1].payload) == Array(json(large, 9).utf8))
        #expect(try Inflater().inflate(frames[2].payload) == Array(json(large, 10).utf8))
    }

    @Test func aZstdStreamIsOneFrameOfRawBlocks() throws {
        let scratch = OutputScratch()
        var encoding = OutputEncoding.zstdStream(hasBegun: false)
        let dispatches = [dispatch(3), dispatch(60_000)]
        for (index, dispatch) in dispatches.enumerated() {
            encoding.write(dispatch, sequence: index + 1, to: scratch, deflater: Deflater())
        }
        let frames = ServerFrame.parse(scratch.bytes())
        #expect(frames[0].payload.prefix(4) == [0x28, 0xb5, 0x2f, 0xfd])
        var texts: [String] = []
        for (index, frame) in frames.enumerated() {
            var bytes = frame.payload.dropFirst(index == 0 ? 6 : 0)
            var text: [UInt8] = []
            while bytes.count >= 3 {
                let field = bytes.prefix(3).reversed().reduce(0) { $0 << 8 | Int($1) }
                #expect(field & 7 == 0)
                #expect(field >> 3 <= 128 * 1024)
                text += bytes.dropFirst(3).prefix(field >> 3)
                bytes = bytes.dropFirst(3 + (field >> 3))
            }
            texts.append(String(decoding: text, as: UTF8.self))
        }
        #expect(texts == dispatches.enumerated().map { json($1, $0 + 1) })
    }
}

import Foundation
import Identity
import NIOCore
import Testing

@testable import Wire

@Suite struct VectorTests {
    @Test func theMessagesAreEncodedAsTheVectorsSay() throws {
        let vectors = try VectorFile("messages.txt")
        #expect(vectors.names == Samples.all.map(\.name))
        for sample in Samples.all {
            let encoded = sample.encoded()
            #expect(
                Array(encoded.readableBytesView) == vectors.bytes[sample.name],
                "\(sample.name) = \(VectorFile.hexadecimal(encoded))")
        }
    }

    @Test func theVectorsDecodeToWhatEncodesToThem() throws {
        let vectors = try VectorFile("messages.txt")
        for sample in Samples.all {
            let bytes = ByteBuffer(bytes: try #require(vectors.bytes[sample.name]))
            #expect(try sample.recoded(bytes) == bytes, "\(sample.name)")
        }
    }

    /// What processes of the first version send, as its sources' vectors had it.
    @Test func theFirstVersionsVectorsReadAsTheSameValues() throws {
        let vectors = try VectorFile("version-1/messages.txt")
        for name in vectors.names {
            let sample = try #require(Samples.all.first { $0.name == name }, "\(name) is gone")
            let bytes = ByteBuffer(bytes: try #require(vectors.bytes[name]))
            #expect(try sample.recoded(bytes) == sample.encoded(), "\(name)")
        }
        let old = try VectorFile("version-1/frames.txt")
        #expect(Set(old.names).isSubset(of: Set(frames.map(\.name))))
        for (name, output) in frames where old.names.contains(name) {
            #expect(try decode(ByteBuffer(bytes: try #require(old.bytes[name]))) == decode(whole(output)), "\(name)")
        }
    }

    private func whole(_ output: FrameOutput) -> ByteBuffer {
        var output = output
        var encoded = ByteBuffer()
        for buffer in output.take() { encoded.writeImmutableBuffer(buffer) }
        return encoded
    }

    /// A frame's parts; what follows a preface alone is no frame.
    private func decode(_ bytes: ByteBuffer) throws -> String {
        let isPreface = Array(bytes.readableBytesView) == FrameDecoder.preface
        var decoder = FrameDecoder(maximumLength: 4_096, expectsPreface: isPreface)
        decoder.append(bytes)
        guard let frame = try decoder.next() else { return isPreface ? "preface" : "incomplete" }
        return
            "\(frame.type.rawValue) \(frame.streamID) \(Array(frame.fields.readableBytesView)) \(Array(frame.body.readableBytesView))"
    }

    @Test func varintsAreEncodedAsTheVectorsSay() throws {
        let vectors = try VectorFile("varints.txt")
        for name in vectors.names {
            let value = try #require(UInt64(name))
            var buffer = ByteBuffer()
            buffer.writeVarint(value)
            #expect(Array(buffer.readableBytesView) == vectors.bytes[name], "\(name)")
            #expect(try buffer.readVarint() == value)
        }
    }

    /// The frames of `frames.txt`, made anew.
    private var frames: [(name: String, output: FrameOutput)] {
        func frame(_ body: (inout FrameOutput) -> Void) -> FrameOutput {
            var output = FrameOutput()
            body(&output)
            return output
        }
        let hello = Hello(versions: 1...1, node: NodeID(rawValue: "r1")!, cluster: nil, lane: 2)
        return [
            ("preface", frame { $0.appendPreface() }),
            ("hello", frame { $0.append(.hello) { hello.encode(into: &$0) } }),
            (
                "request",
                frame {
                    $0.append(.request, streamID: 1, body: ByteBuffer(string: "body")) {
                        RequestHead(method: 1, remainingMilliseconds: 1_500).encode(into: &$0)
                    }
                }
            ),
            ("reply", frame { $0.append(.reply, streamID: 1, body: ByteBuffer(string: "answer")) }),
            ("failure", frame { $0.append(.failure, streamID: 1) { Failure(.overloaded).encode(into: &$0) } }),
            ("cancel", frame { $0.append(.cancel, streamID: 1) }),
            (
                "open",
                frame { $0.append(.open, streamID: 2) { RequestHead(method: 4, credit: 1_024).encode(into: &$0) } }
            ),
            ("accepted", frame { $0.append(.accepted, streamID: 2) { Credit(items: 1_024).encode(into: &$0) } }),
            ("item", frame { $0.append(.item, streamID: 2, body: ByteBuffer(string: "item")) }),
            ("credit", frame { $0.append(.credit, streamID: 2) { Credit(items: 256).encode(into: &$0) } }),
            ("close", frame { $0.append(.close, streamID: 2) { Farewell(reason: "done").encode(into: &$0) } }),
            ("ping", frame { $0.append(.ping) }),
            ("pong", frame { $0.append(.pong) }),
            (
                "goAway",
                frame { $0.append(.goAway) { Farewell(reason: "drain", lastStreamID: 9).encode(into: &$0) } }
            ),
            ("refusal", frame { $0.append(.refusal) { Refusal(.version, "old").encode(into: &$0) } }),
        ]
    }

    @Test func framesAreEncodedAsTheVectorsSay() throws {
        let vectors = try VectorFile("frames.txt")
        #expect(vectors.names == frames.map(\.name))
        for (name, output) in frames {
            let encoded = whole(output)
            #expect(
                Array(encoded.readableBytesView) == vectors.bytes[name], "\(name) = \(VectorFile.hexadecimal(encoded))")
        }
    }

    @Test func theProtocolDocumentQuotesTheVectors() throws {
        let root = VectorFile.folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let document = try String(contentsOf: root.appendingPathComponent("PROTOCOL.md"), encoding: .utf8)
        let quoted = Set(
            document.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") })
        for file in ["varints.txt", "frames.txt", "messages.txt"] {
            let text = try String(contentsOf: VectorFile.folder.appendingPathComponent(file), encoding: .utf8)
            for line in text.split(separator: "\n") where !line.hasPrefix("#") {
                #expect(quoted.contains(line.split(separator: " ").joined(separator: " ")), "PROTOCOL.md lacks \(line)")
            }
        }
    }
}

import NIOCore
import NIOEmbedded
import NIOHTTP1

/// Makes the runtime build the generic types of the client connections' pipeline, on one thread.
///
/// They are built when they are first used, by whoever is first; Swift 6.3's runtime reads a null pointer, once in many
/// starts, when two event loops take their first connection at the same moment.
enum PipelineTypes {
    static func build() throws {
        let channel = EmbeddedChannel()
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTPResponseEncoder())
        try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes)))
        try channel.writeInbound(ByteBuffer(string: "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\na"))
        while try channel.readInbound(as: HTTPServerRequestPart.self) != nil {}
        try channel.writeOutbound(HTTPServerResponsePart.head(HTTPResponseHead(version: .http1_1, status: .noContent)))
        try channel.writeOutbound(HTTPServerResponsePart.end(nil))
        _ = try channel.finish(acceptAlreadyClosed: true)
    }
}

import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

@testable import ObjectStore

/// A server that answers S3's requests as a test's script says.
final class FakeS3: Sendable {
    struct Request: Sendable {
        var method: HTTPMethod
        var uri: String
        var headers: HTTPHeaders
        var body: ByteBuffer
    }

    enum Reply: Sendable {
        case answer(HTTPResponseStatus, headers: [(String, String)] = [], body: ByteBuffer = ByteBuffer())
        /// Says that it has `claimed` bytes, sends `body` and breaks the connection.
        case cut(claimed: Int, headers: [(String, String)] = [], body: ByteBuffer)
        /// Breaks the connection without an answer.
        case hangUp
        /// Never answers.
        case silence

        static func error(_ status: HTTPResponseStatus, _ code: String) -> Reply {
            .answer(
                status, headers: [("date", "Tue, 24 Nov 2026 12:00:00 GMT")],
                body: ByteBuffer(
                    string: "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>m</Message></Error>"))
        }
    }

    /// What each request is answered with; they are numbered from 0.
    struct Script: Sendable {
        let reply: @Sendable (Int, Request) -> Reply

        init(_ reply: @escaping @Sendable (Int, Request) -> Reply) { self.reply = reply }
    }

    private let channel: any Channel
    private let requests: Requests

    /// Shared with the connections' handlers.
    final class Requests: Sendable {
        let seen = Mutex<[Request]>([])
        let script: @Sendable (_ number: Int, Request) -> Reply

        init(script: @escaping @Sendable (Int, Request) -> Reply) { self.script = script }

        func reply(_ request: Request) -> Reply {
            let number = seen.withLock { seen in
                seen.append(request)
                return seen.count - 1
            }
            return script(number, request)
        }
    }

    var seen: [Request] { requests.seen.withLock { $0 } }

    /// Runs `body` with a server and a store that speaks to it.
    @discardableResult
    static func run<Result>(
        _ script: Script,
        _ body: (FakeS3, S3ObjectStore) async throws -> Result
    ) async throws -> Result {
        let requests = Requests(script: script.reply)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(requests))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = FakeS3(channel: channel, requests: requests)
        do {
            let result = try await body(server, try server.store())
            try await channel.close()
            return result
        } catch {
            try? await channel.close()
            throw error
        }
    }

    private init(channel: any Channel, requests: Requests) {
        self.channel = channel
        self.requests = requests
    }

    func store(_ change: (inout S3Settings) -> Void = { _ in }) throws -> S3ObjectStore {
        var settings = try S3Settings(
            endpoint: "http://127.0.0.1:\(channel.localAddress?.port ?? 0)", bucket: "bucket", region: "us-east-1",
            credentials: .fixed(AWSCredentials(accessKey: "AK", secretKey: "top-s3cret", sessionToken: "t0ken")))
        settings.limits.firstPause = .milliseconds(1)
        settings.limits.longestPause = .milliseconds(5)
        settings.limits.requestTimeout = .seconds(1)
        settings.limits.partSize = 1_000
        change(&settings)
        return S3ObjectStore(settings)
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let requests: Requests
        private var head: HTTPRequestHead?
        private var body = ByteBuffer()

        init(_ requests: Requests) { self.requests = requests }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body = ByteBuffer()
            case .body(let piece): body.writeImmutableBuffer(piece)
            case .end:
                guard let head else { return }
                answer(
                    context,
                    requests.reply(.init(method: head.method, uri: head.uri, headers: head.headers, body: body)))
            }
        }

        private func answer(_ context: ChannelHandlerContext, _ reply: Reply) {
            switch reply {
            case .answer(let status, let headers, let body):
                var fields = HTTPHeaders(headers)
                if !fields.contains(name: "content-length") {
                    fields.add(name: "content-length", value: "\(body.readableBytes)")
                }
                context.write(
                    wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: fields))), promise: nil)
                if head?.method != .HEAD { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            case .cut(let claimed, let headers, let body):
                var fields = HTTPHeaders(headers)
                fields.add(name: "content-length", value: "\(claimed)")
                context.write(
                    wrapOutboundOut(.head(.init(version: .http1_1, status: .partialContent, headers: fields))),
                    promise: nil)
                let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
                context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(body)))).whenComplete { _ in
                    bound.value.close(promise: nil)
                }
            case .hangUp: context.close(promise: nil)
            case .silence: break
            }
        }
    }
}

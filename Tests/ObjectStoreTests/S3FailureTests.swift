import Foundation
import NIOCore
import NIOHTTP1
import Testing

@testable import ObjectStore

@Suite("An S3 store that fails")
struct S3FailureTests {
    static func object() throws -> ObjectKey { try #require(ObjectKey("x")) }
    static let content = ByteBuffer(string: "hello")
    static let tag = "\"5d41402abc4b2a76b9719d911017c592\""

    @Test("a request is tried again after 500, 503, 429, a broken connection and silence")
    func passingFaults() async throws {
        let faults: [FakeS3.Reply] = [
            .error(.internalServerError, "InternalError"), .error(.serviceUnavailable, "SlowDown"),
            .answer(.tooManyRequests), .hangUp, .silence,
        ]
        for fault in faults {
            try await FakeS3.run(
                .init { number, _ in number < 2 ? fault : .answer(.ok, headers: [("etag", Self.tag)]) }
            ) {
                server, store in
                try await store.put(try Self.object(), .bytes(Self.content))
                #expect(server.seen.count == 3)
                #expect(server.seen.allSatisfy { $0.body == Self.content && $0.method == .PUT })
            }
        }
    }

    @Test("it gives up after so many attempts, and says why without a secret")
    func givesUp() async throws {
        try await FakeS3.run(.init { _, _ in .error(.internalServerError, "InternalError") }) { server, store in
            let failure = await #expect(throws: ObjectStoreFailure.self) {
                try await store.put(try Self.object(), .bytes(Self.content))
            }
            #expect(server.seen.count == 5)
            let text = failure?.description ?? ""
            #expect(text.contains("InternalError") && text.contains("5 attempts"))
            #expect(!text.contains("s3cret") && !text.contains("t0ken"))
            #expect(server.seen[0].headers.first(name: "x-amz-security-token") == "t0ken")
            #expect(!server.seen.contains { "\($0.headers)".contains("top-s3cret") })
        }
    }

    @Test("what trying again does not help is said at once, each by its own name")
    func lastingFaults() async throws {
        let faults: [(FakeS3.Reply, (ObjectStoreFailure) -> Bool)] = [
            (.error(.forbidden, "SignatureDoesNotMatch"), { if case .wrongCredentials = $0 { true } else { false } }),
            (.error(.forbidden, "InvalidAccessKeyId"), { if case .wrongCredentials = $0 { true } else { false } }),
            (.error(.forbidden, "AccessDenied"), { if case .forbidden = $0 { true } else { false } }),
            (
                .error(.forbidden, "RequestTimeTooSkewed"),
                { if case .clockSkew(let text) = $0 { text.contains("24 Nov 2026") } else { false } }
            ),
            (.error(.notFound, "NoSuchBucket"), { $0 == .bucketMissing("bucket") }),
            (.error(.movedPermanently, "PermanentRedirect"), { if case .refused = $0 { true } else { false } }),
        ]
        for (reply, isExpected) in faults {
            try await FakeS3.run(.init { _, _ in reply }) { server, store in
                let failure = await #expect(throws: ObjectStoreFailure.self) {
                    try await store.put(try Self.object(), .bytes(Self.content))
                }
                #expect(failure.map(isExpected) ?? false, "\(String(describing: failure))")
                #expect(server.seen.count == 1)
            }
        }
    }

    @Test("a refused HEAD is explained by a request whose answer can say why")
    func headExplained() async throws {
        try await FakeS3.run(
            .init { _, request in
                request.method == .HEAD ? .answer(.forbidden) : .error(.forbidden, "SignatureDoesNotMatch")
            }
        ) { _, store in
            let failure = await #expect(throws: ObjectStoreFailure.self) { try await store.head(try Self.object()) }
            if case .wrongCredentials = failure {} else { Issue.record("\(String(describing: failure))") }
        }
    }

    @Test("a tag of other content is a fault")
    func wrongTag() async throws {
        let other = "\"00000000000000000000000000000000\""
        try await FakeS3.run(.init { number, _ in .answer(.ok, headers: [("etag", number == 0 ? other : Self.tag)]) }) {
            server, store in
            try await store.put(try Self.object(), .bytes(Self.content))
            #expect(server.seen.count == 2)
        }
    }

    private static func description(_ bytes: ByteBuffer) -> [(String, String)] {
        [("x-amz-meta-sha256", ObjectChecksum(of: bytes).hexadecimal), ("content-length", "\(bytes.readableBytes)")]
    }

    @Test("content with another checksum than was stored is refused")
    func wrongChecksum() async throws {
        try await FakeS3.run(
            .init { _, request in
                request.method == .HEAD
                    ? .answer(.ok, headers: Self.description(Self.content))
                    : .answer(.partialContent, body: ByteBuffer(string: "jello"))
            }
        ) { _, store in
            let key = try Self.object()
            await #expect(throws: ObjectStoreFailure.corrupt(key, "its checksum is another")) {
                try await store.get(key, range: nil) { _ in }
            }
        }
    }

    @Test("a connection that breaks in the middle of an object is taken up where it broke")
    func resumedReading() async throws {
        let bytes = ObjectStoreSuite.bytes(10_000)
        try await FakeS3.run(
            .init { _, request in
                if request.method == .HEAD { return .answer(.ok, headers: Self.description(bytes)) }
                let from =
                    request.headers.first(name: "range").flatMap { Int($0.dropFirst(6).prefix { $0 != "-" }) } ?? 0
                let rest = bytes.getSlice(at: bytes.readerIndex + from, length: 10_000 - from) ?? ByteBuffer()
                guard rest.readableBytes > 3_000 else { return .answer(.partialContent, body: rest) }
                return .cut(
                    claimed: rest.readableBytes, body: rest.getSlice(at: rest.readerIndex, length: 3_000) ?? rest)
            }
        ) { server, store in
            let key = try Self.object()
            #expect(try await store.collect(key, limit: 10_000) == bytes)
            #expect(server.seen.filter { $0.method == .GET }.count >= 4)
        }
    }

    @Test("a part that fails goes up again alone; one that fails for good takes the upload back")
    func parts() async throws {
        let bytes = ObjectStoreSuite.bytes(2_500)
        let begun = ByteBuffer(
            string: "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")
        @Sendable func reply(_ number: Int, _ request: FakeS3.Request, failing: Bool) -> FakeS3.Reply {
            switch request.method {
            case .POST: return .answer(.ok, body: request.uri.contains("uploads") ? begun : ByteBuffer())
            case .HEAD: return .answer(.ok, headers: Self.description(bytes))
            case .PUT where request.uri.contains("partNumber=2") && (failing || number < 3):
                return .error(.internalServerError, "InternalError")
            default: return .answer(.ok, headers: [("etag", "\"t\(request.body.readableBytes)\"")])
            }
        }
        try await FakeS3.run(.init { reply($0, $1, failing: false) }) { server, store in
            try await store.put(try Self.object(), .bytes(bytes))
            let sizes = server.seen.filter { $0.method == .PUT }.map(\.body.readableBytes)
            #expect(sizes == [1_000, 1_000, 1_000, 500])
            let end = server.seen.last { $0.method == .POST }.map { String(buffer: $0.body) } ?? ""
            #expect(end.contains("<PartNumber>3</PartNumber><ETag>&quot;t500&quot;</ETag>"))
        }
        try await FakeS3.run(.init { reply($0, $1, failing: true) }) { server, store in
            await #expect(throws: ObjectStoreFailure.self) { try await store.put(try Self.object(), .bytes(bytes)) }
            #expect(server.seen.last?.method == .DELETE)
        }
    }

    @Test("an error in an answer of status 200 is an error")
    func lateError() async throws {
        try await FakeS3.run(.init { _, _ in .error(.ok, "AccessDenied") }) { _, store in
            await #expect(throws: ObjectStoreFailure.self) {
                try await store.put(try Self.object(), .bytes(Self.content))
            }
        }
    }

    @Test("the bucket is the path's beginning, or the host's")
    func addressing() throws {
        let key = try Self.object()
        for (endpoint, addressing, prefix, host, path) in [
            ("http://127.0.0.1:9000", S3Settings.Addressing?.none, "", "127.0.0.1:9000", "/bucket/x"),
            ("https://store.example/", .virtual, "a/b", "bucket.store.example", "/a/b/x"),
            (nil, nil, "", "bucket.s3.eu-west-1.amazonaws.com", "/x"),
            (nil, .path, "", "s3.eu-west-1.amazonaws.com", "/bucket/x"),
        ] {
            let client = S3Client(
                try S3Settings(
                    endpoint: endpoint, bucket: "bucket", region: "eu-west-1", prefix: prefix, addressing: addressing,
                    credentials: .environment))
            #expect(client.place(of: key) == .init(host: host, path: path))
            #expect(client.place(of: nil).path == (path.hasPrefix("/bucket") ? "/bucket" : "/"))
        }
    }

    @Test("no server at all is an error that names the address")
    func nobody() async throws {
        let gone = try await FakeS3.run(.init { _, _ in .silence }) { server, _ in
            try server.store { $0.limits.attempts = 2 }
        }
        let failure = await #expect(throws: ObjectStoreFailure.self) { try await gone.head(try Self.object()) }
        #expect(failure?.description.contains("127.0.0.1") ?? false)
    }
}

@Suite("An S3 store that checks signatures", .enabled(if: MotoServer.environment != nil, MotoServer.comment))
struct S3SignatureTests {
    @Test("accepts ours, and refuses a wrong secret and an unknown key by name")
    func signatures() async throws {
        let key = try #require(ObjectKey("dir/x"))
        let store = try await MotoServer.strict.store { $0.limits.partSize = 5 << 20 }
        for size in [10, 6 << 20] {
            let bytes = ObjectStoreSuite.bytes(size)
            try await store.put(key, .bytes(bytes))
            #expect(try await store.collect(key, limit: 7 << 20) == bytes)
            #expect(try await store.list(prefix: "dir/", after: nil, limit: 1).items.count == 1)
        }
        let address = try await MotoServer.strict.start()
        for credentials in [
            AWSCredentials(accessKey: address.key, secretKey: "wrong"),
            AWSCredentials(accessKey: "AKIAUNKNOWN", secretKey: address.secret),
        ] {
            let stranger = try await MotoServer.strict.store { $0.credentials = .fixed(credentials) }
            for attempt in [
                { _ = try await stranger.head(key) }, { try await stranger.put(key, .bytes(ByteBuffer(string: "x"))) },
            ] {
                let failure = await #expect(throws: ObjectStoreFailure.self) { try await attempt() }
                if case .wrongCredentials = failure {} else { Issue.record("\(String(describing: failure))") }
            }
        }
    }

    @Test("names the bucket that is missing")
    func bucket() async throws {
        let store = try await MotoServer.shared.store { $0.bucket = "no-such-bucket" }
        await #expect(throws: ObjectStoreFailure.bucketMissing("no-such-bucket")) {
            try await store.put(try #require(ObjectKey("x")), .bytes(ByteBuffer(string: "x")))
        }
    }
}

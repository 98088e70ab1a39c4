import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// Signed requests to one bucket, tried again where that helps.
struct S3Client: Sendable {
    /// Lives as long as the process. The times are those of one silence; each request has an end of its own as well.
    private static let http: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(5)
        configuration.timeout.read = .seconds(30)
        configuration.timeout.write = .seconds(30)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    struct Request {
        var method: HTTPMethod
        /// Absent for the bucket itself.
        var key: ObjectKey?
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var body = ByteBuffer()
        /// Bytes of the answer, where they are known to be many.
        var expected = 0
    }

    /// An answer of status 2xx.
    struct Answer {
        var headers: HTTPHeaders
        var body: ByteBuffer
    }

    let settings: S3Settings
    private let credentials: CurrentCredentials
    private let signature: SignatureV4

    init(_ settings: S3Settings) {
        self.settings = settings
        credentials = CurrentCredentials(settings.credentials)
        signature = SignatureV4(region: settings.region, service: "s3")
    }

    /// The name in the bucket.
    func name(_ key: ObjectKey) -> String { settings.prefix.isEmpty ? key.text : settings.prefix + "/" + key.text }

    /// Sends the request until it is answered with other than a passing fault.
    ///
    /// - Parameter check: looks at an answer, and may find in it a fault that passes.
    func send(
        _ request: Request, check: (Answer) throws(ObjectStoreFailure) -> Void = { _ in }
    ) async throws(ObjectStoreFailure) -> Answer {
        try await retrying { () throws(ObjectStoreFailure) in
            let response = try await execute(request)
            let body = try await collect(response)
            let parsed = S3Answer.parse(body)
            // A few requests are answered 200 before their outcome is known.
            guard response.status.code < 300, !(parsed?.isError ?? false) else {
                throw failure(response, parsed, request)
            }
            let answer = Answer(headers: response.headers, body: body)
            try check(answer)
            return answer
        }
    }

    /// Sends a request for content and hands it on piece by piece; not tried again, since pieces have gone out.
    ///
    /// - Throws: ``ObjectStoreFailure``, or what `body` throws.
    func stream(
        _ request: Request, _ body: (HTTPHeaders, ByteBuffer) async throws -> Void
    ) async throws -> HTTPHeaders {
        let response = try await execute(request)
        guard response.status.code < 300 else {
            throw failure(response, S3Answer.parse(try await collect(response)), request)
        }
        var iterator = response.body.makeAsyncIterator()
        while true {
            let piece: ByteBuffer?
            do { piece = try await iterator.next() } catch is CancellationError { throw CancellationError() } catch {
                throw ObjectStoreFailure.unavailable("the connection broke: \(error)")
            }
            guard let piece else { return response.headers }
            try await body(response.headers, piece)
        }
    }

    private func retrying<Value>(
        _ body: () async throws(ObjectStoreFailure) -> Value
    ) async throws(ObjectStoreFailure) -> Value {
        var pause = settings.limits.firstPause
        for attempt in 1... {
            do throws(ObjectStoreFailure) {
                return try await body()
            } catch {
                guard case .unavailable(let reason) = error else { throw error }
                guard attempt < settings.limits.attempts, !Task.isCancelled else {
                    throw .unavailable("\(reason) (\(attempt) attempts)")
                }
            }
            do { try await Task.sleep(for: pause * Double.random(in: 0.5...1)) } catch {
                throw .unavailable("the wait for it was cancelled")
            }
            pause = min(pause * 2, settings.limits.longestPause)
        }
        preconditionFailure("the loop above ends by returning or throwing")
    }

    private func execute(_ request: Request) async throws(ObjectStoreFailure) -> HTTPClientResponse {
        let signed = try sign(request)
        let timeout = settings.limits.timeout(of: request.body.readableBytes + request.expected)
        do {
            return try await Self.http.execute(
                signed, deadline: .now() + .nanoseconds(Int64(timeout / .nanoseconds(1))))
        } catch {
            throw .unavailable("\(settings.endpoint): \(error)")
        }
    }

    private func collect(_ response: HTTPClientResponse) async throws(ObjectStoreFailure) -> ByteBuffer {
        do {
            return try await response.body.collect(upTo: settings.limits.maximumAnswer)
        } catch {
            throw .unavailable("the connection broke: \(error)")
        }
    }

    struct Place: Hashable {
        var host: String
        /// Escaped.
        var path: String
    }

    /// - Parameter key: absent for the bucket itself.
    func place(of key: ObjectKey?) -> Place {
        let host =
            settings.endpoint.split(separator: "/", maxSplits: 1).last.map { String($0.drop { $0 == "/" }) } ?? ""
        let path = key.map { "/" + SignatureV4.escaped(name($0), keeping: "/") }
        return switch settings.addressing {
        case .path: Place(host: host, path: "/\(settings.bucket)\(path ?? "")")
        case .virtual: Place(host: "\(settings.bucket).\(host)", path: path ?? "/")
        }
    }

    private func sign(_ request: Request) throws(ObjectStoreFailure) -> HTTPClientRequest {
        let credentials = try credentials.get()
        let place = place(of: request.key)
        let date = SignatureV4.text(of: Date())
        let hash = ObjectChecksum(of: request.body).hexadecimal
        var headers = request.headers + [("host", place.host), ("x-amz-date", date), ("x-amz-content-sha256", hash)]
        if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
        let authorization = signature.authorization(
            .init(
                method: request.method.rawValue, path: place.path, query: request.query, headers: headers,
                payloadHash: hash),
            credentials: credentials, date: date)
        let query = request.query.isEmpty ? "" : "?" + SignatureV4.queryText(request.query)
        var result = HTTPClientRequest(
            url: "\(settings.endpoint.prefix { $0 != ":" })://\(place.host)\(place.path)\(query)")
        result.method = request.method
        for (name, value) in headers { result.headers.add(name: name, value: value) }
        result.headers.add(name: "authorization", value: authorization)
        if request.body.readableBytes > 0 || request.method == .PUT { result.body = .bytes(request.body) }
        return result
    }

    // MARK: What went wrong

    private func failure(
        _ response: HTTPClientResponse, _ answer: S3Answer?, _ request: Request
    ) -> ObjectStoreFailure {
        let code = answer?.code ?? ""
        let status = response.status.code
        let reason = "\(status) \(code.isEmpty ? response.status.reasonPhrase : code): \(answer?.message ?? "")"
        switch code {
        case "NoSuchBucket": return .bucketMissing(settings.bucket)
        case "NoSuchKey":
            if let key = request.key { return .notFound(key) }
        case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired",
            "InvalidClientTokenId", "AuthorizationHeaderMalformed", "AuthFailure":
            return .wrongCredentials(reason)
        case "RequestTimeTooSkewed", "RequestExpired":
            let theirs = response.headers.first(name: "date") ?? "unknown"
            return .clockSkew("it is \(SignatureV4.text(of: Date())) here, and there \(theirs)")
        case "AccessDenied", "AllAccessDisabled", "AccountProblem": return .forbidden(reason)
        case "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException":
            return .refused("the bucket \(settings.bucket) is not in the region \(settings.region): \(reason)")
        case "XAmzContentSHA256Mismatch", "BadDigest":
            return .unavailable("the content was changed on its way: \(reason)")
        case "SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable": return .unavailable(reason)
        default: break
        }
        switch status {
        case 408, 429, 500...599: return .unavailable(reason)
        case 404:
            if let key = request.key, code.isEmpty { return .notFound(key) }
            return .refused(reason)
        case 401: return .wrongCredentials(reason)
        case 403: return .forbidden(reason)
        default: return .refused(reason)
        }
    }
}

import AsyncHTTPClient
import Coordination
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Carries bodies to one member and back over HTTP/1.1, with a time-out and a bound on each.
final class EtcdTransport: Sendable {
    enum Failure: Error {
        /// No connection came about: the call certainly did not run.
        case unreachable(String)
        /// The connection broke, or time was up: whether the call ran is unknown.
        case lost(String)
        case refused(EtcdRefusal)
        case tooLong
        /// The caller cancelled, or the coordinator was closed.
        case cancelled

        var reason: String {
            switch self {
            case .unreachable(let reason), .lost(let reason): reason
            case .refused(let refusal): refusal.message
            case .tooLong: "the answer is longer than \(EtcdLimits.maximumAnswer) bytes"
            case .cancelled: "the call was cancelled"
            }
        }
    }

    private let client: HTTPClient

    init(_ settings: EtcdSettings, group: any EventLoopGroup) throws {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try EtcdTransport.tls(settings.tls), redirectConfiguration: .disallow,
            decompression: .disabled)
        configuration.timeout.connect = settings.connectTimeout.timeAmount
        // The gateway and gRPC share a port; HTTP/1.1 is never taken for gRPC.
        configuration.httpVersion = .http1Only
        configuration.connectionPool.idleTimeout = .seconds(30)
        // Rotation is the caller's: a member that is down is left at once.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    /// The client must be shut down before it goes, also where an error let go of it.
    deinit { Task { [client] in try? await client.shutdown() } }

    private static func tls(_ settings: EtcdSettings.TLS) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let authority = settings.authority { tls.trustRoots = .file(authority) }
        if let certificate = settings.certificate, let key = settings.key {
            tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
        }
        return tls
    }

    func shutdown() async { try? await client.shutdown() }

    /// One call with one answer.
    func call(
        _ path: String, _ body: ByteBuffer, token: String?, at endpoint: EtcdEndpoint, deadline: NIODeadline
    ) async throws(Failure) -> ByteBuffer {
        do {
            return try await within(deadline) {
                let response = try await self.client.execute(
                    self.request(path, body, token: token, at: endpoint), deadline: deadline)
                let answer = try await response.body.collect(upTo: EtcdLimits.maximumAnswer)
                guard response.status == .ok else {
                    throw Failure.refused(EtcdCodec.refusal(answer, status: Int(response.status.code)))
                }
                return answer
            }
        } catch { throw EtcdTransport.failure(error) }
    }

    /// A call whose answer goes on for as long as `receive` takes it; `deadline` is for its beginning.
    func stream(
        _ path: String, _ body: ByteBuffer, token: String?, at endpoint: EtcdEndpoint, deadline: NIODeadline,
        receive: (HTTPClientResponse.Body) async throws -> Void
    ) async throws {
        let response: HTTPClientResponse
        do {
            // The client's own deadline would end the stream too.
            response = try await within(deadline) {
                try await self.client.execute(
                    self.request(path, body, token: token, at: endpoint), deadline: .distantFuture)
            }
            guard response.status == .ok else {
                let answer = try await within(deadline) {
                    try await response.body.collect(upTo: EtcdLimits.maximumAnswer)
                }
                throw Failure.refused(EtcdCodec.refusal(answer, status: Int(response.status.code)))
            }
        } catch { throw EtcdTransport.failure(error) }
        try await receive(response.body)
    }

    private func request(
        _ path: String, _ body: ByteBuffer, token: String?, at endpoint: EtcdEndpoint
    ) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: "\(endpoint)/v3/\(path)")
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        if let token { request.headers.add(name: "Authorization", value: token) }
        request.body = .bytes(body)
        return request
    }

    static func failure(_ error: any Error) -> Failure {
        switch error {
        case let failure as Failure: return failure
        case is CancellationError: return .cancelled
        case is NIOTooManyBytesError: return .tooLong
        case let error as NIOConnectionError:
            return .unreachable("no connection to \(error.host):\(error.port)")
        case let error as HTTPClientError:
            switch error {
            case .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout:
                return .unreachable(error.shortDescription)
            case .cancelled, .alreadyShutdown: return .cancelled
            default: return .lost(error.shortDescription)
            }
        // The request is written after the handshake; but a client's certificate that is refused is told of later.
        case let error as NIOSSLError:
            if case .handshakeFailed(let reason) = error { return .unreachable("TLS: \(reason)") }
            return .lost("TLS: \(error)")
        case let error as IOError where error.errnoCode == ECONNREFUSED: return .unreachable("connection refused")
        default: return .lost("\(error)")
        }
    }

    /// Runs `body` until it ends or the deadline has passed.
    private func within<Value: Sendable>(
        _ deadline: NIODeadline, _ body: @Sendable @escaping () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                let left = max(.zero, deadline - .now())
                try await Task.sleep(for: .nanoseconds(left.nanoseconds))
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let value = first else { throw Failure.lost("no answer in time") }
            return value
        }
    }
}

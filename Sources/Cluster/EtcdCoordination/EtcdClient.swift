import AsyncHTTPClient
import Coordination
import NIOCore
import Synchronization

/// Makes calls to whichever member answers: turns to the next one after a failure, and holds the user's token.
final class EtcdClient: Sendable {
    /// Whether a call may be made again when it may have run already.
    enum Repetition {
        case allowed
        case onlyIfItDidNotRun
    }

    let settings: EtcdSettings
    let codec: EtcdCodec
    private let transport: EtcdTransport
    private let tokens: EtcdTokens?
    /// Counts turns; the member is this modulo their number.
    private let turn: Atomic<Int>

    init(_ settings: EtcdSettings, group: any EventLoopGroup) throws {
        precondition(!settings.endpoints.isEmpty, "etcd has an endpoint")
        self.settings = settings
        let codec = EtcdCodec(prefix: settings.prefix)
        let transport = try EtcdTransport(settings, group: group)
        self.codec = codec
        self.transport = transport
        // Processes spread over the members from the start.
        turn = Atomic(Int.random(in: 0..<settings.endpoints.count))
        guard let user = settings.user else {
            tokens = nil
            return
        }
        let endpoints = settings.endpoints
        let patience = settings.attemptTimeout.timeAmount
        tokens = EtcdTokens {
            var last = EtcdTransport.Failure.unreachable("no endpoint")
            for endpoint in endpoints.shuffled() {
                do throws(EtcdTransport.Failure) {
                    let bytes = try await transport.call(
                        "auth/authenticate", codec.authenticate(user), token: nil, at: endpoint,
                        deadline: .now() + patience)
                    return .success(try EtcdClient.decode(EtcdAnswer.Authenticate.self, bytes).token)
                } catch {
                    last = error
                    // A wrong password is wrong everywhere.
                    if case .refused(let refusal) = error, case .failure = refusal.meaning { break }
                }
            }
            return .failure(last)
        }
    }

    func shutdown() async { await transport.shutdown() }

    /// The member that calls go to at present.
    var endpoint: EtcdEndpoint { settings.endpoints[index] }
    private var index: Int { Int(UInt(bitPattern: turn.load(ordering: .relaxed)) % UInt(settings.endpoints.count)) }

    /// Leaves a member that failed, unless somebody did already.
    func leave(_ endpoint: EtcdEndpoint) {
        let seen = turn.load(ordering: .relaxed)
        guard settings.endpoints[Int(UInt(bitPattern: seen) % UInt(settings.endpoints.count))] == endpoint else {
            return
        }
        _ = turn.compareExchange(expected: seen, desired: seen &+ 1, ordering: .relaxed)
    }

    /// Makes a call until it is answered, refused for good, or the settings' time-out has passed.
    func call(
        _ path: String, _ body: ByteBuffer, repetition: Repetition
    ) async throws(CoordinatorFailure) -> ByteBuffer {
        try await repeated(repetition) { (endpoint, deadline) throws(EtcdTransport.Failure) in
            try await self.attempt(path, body, at: endpoint, deadline: deadline)
        }
    }

    /// Likewise for a call whose answer is the one message of a stream.
    func streamedCall<Answer: Decodable & Sendable>(
        _ type: Answer.Type, _ path: String, _ body: ByteBuffer
    ) async throws(CoordinatorFailure) -> Answer {
        try await repeated(.allowed) { (endpoint, deadline) throws(EtcdTransport.Failure) in
            let bytes = try await self.attempt(path, body, at: endpoint, deadline: deadline)
            let result: Result<Answer, EtcdRefusal>
            do throws(EtcdCodec.Unreadable) { result = try EtcdCodec.decodeStreamed(type, bytes) } catch {
                throw .lost("the answer cannot be read: \(error.reason)")
            }
            switch result {
            case .success(let answer): return answer
            case .failure(let refusal): throw .refused(refusal)
            }
        }
    }

    private func repeated<Answer: Sendable>(
        _ repetition: Repetition,
        _ attempt: (EtcdEndpoint, NIODeadline) async throws(EtcdTransport.Failure) -> Answer
    ) async throws(CoordinatorFailure) -> Answer {
        let deadline = NIODeadline.now() + settings.timeout.timeAmount
        var backoff = Backoff(initial: settings.firstPause, maximum: settings.longestPause)
        while true {
            let endpoint = endpoint
            let failure: EtcdTransport.Failure
            do throws(EtcdTransport.Failure) {
                return try await attempt(endpoint, min(deadline, .now() + settings.attemptTimeout.timeAmount))
            } catch { failure = error }
            let text = "\(endpoint): \(failure.reason)"
            switch consequence(of: failure) {
            case .give(let failure): throw failure
            case .again: leave(endpoint)
            case .unknown:
                // Also when the caller is told: its next call would meet the same silence.
                leave(endpoint)
                guard repetition == .allowed else {
                    throw .unavailable("\(text); whether the change was made is unknown")
                }
            }
            // An attempt in no time at all would only hide the reason.
            guard await backoff.pause(until: deadline), .now() < deadline else { throw .unavailable(text) }
        }
    }

    /// What a call with an answer beyond ``EtcdLimits/maximumAnswer`` throws.
    static let answerTooLong = CoordinatorFailure.unavailable(EtcdTransport.Failure.tooLong.reason)

    /// What a call that the user may not make throws.
    func forbidden(_ reason: String) -> CoordinatorFailure {
        .invalid("etcd: \(reason)" + (settings.user == nil ? "; coordinator.user is not set" : ""))
    }

    private enum Consequence {
        case give(CoordinatorFailure)
        case again
        case unknown
    }

    private func consequence(of failure: EtcdTransport.Failure) -> Consequence {
        switch failure {
        case .unreachable: .again
        case .lost: .unknown
        case .tooLong: .give(EtcdClient.answerTooLong)
        case .cancelled: .give(.unavailable(failure.reason))
        case .refused(let refusal):
            switch refusal.meaning {
            case .failure(let failure): .give(failure)
            case .didNotRun, .unauthenticated: .again
            case .forbidden: .give(forbidden(refusal.message))
            case .unknown: .unknown
            }
        }
    }

    /// One attempt at one member; once more with a new token when it does not know ours.
    func attempt(
        _ path: String, _ body: ByteBuffer, at endpoint: EtcdEndpoint, deadline: NIODeadline
    ) async throws(EtcdTransport.Failure) -> ByteBuffer {
        let token = try await token(otherThan: nil)
        do throws(EtcdTransport.Failure) {
            return try await transport.call(path, body, token: token, at: endpoint, deadline: deadline)
        } catch {
            guard case .refused(let refusal) = error, refusal.meaning == .unauthenticated, token != nil else {
                throw error
            }
        }
        return try await transport.call(
            path, body, token: try await self.token(otherThan: token), at: endpoint, deadline: deadline)
    }

    /// `nil` where no user is set.
    func token(otherThan refused: String?) async throws(EtcdTransport.Failure) -> String? {
        guard let tokens else { return nil }
        do throws(EtcdTransport.Failure) { return try await tokens.token(otherThan: refused) } catch {
            // The call itself was never made.
            if case .lost(let reason) = error { throw .unreachable("the user could not be authenticated: \(reason)") }
            throw error
        }
    }

    func stream(
        _ path: String, _ body: ByteBuffer, token: String?, at endpoint: EtcdEndpoint, deadline: NIODeadline,
        receive: (HTTPClientResponse.Body) async throws -> Void
    ) async throws {
        try await transport.stream(path, body, token: token, at: endpoint, deadline: deadline, receive: receive)
    }

    static func decode<Answer: Decodable>(
        _ type: Answer.Type, _ bytes: ByteBuffer
    ) throws(EtcdTransport.Failure) -> Answer {
        do throws(EtcdCodec.Unreadable) { return try EtcdCodec.decode(type, bytes) } catch {
            throw .lost("the answer cannot be read: \(error.reason)")
        }
    }
}

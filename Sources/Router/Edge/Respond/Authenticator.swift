import Identity
import NIOCore
import Routing
import Wire

/// Tokens that one event loop has seen, and whose they are.
///
/// A well-signed token is remembered for good (the secret does not change); whose it is and that it still holds only
/// for ``freshness``, counted from when the user's slot was *asked*, so that a revocation takes effect within that
/// time. Bounded: two generations of at most ``generationSize`` tokens, of which the older one is forgotten whole.
struct Authenticator {
    static let freshness: TimeAmount = .milliseconds(900)
    static let generationSize = 4096

    struct Entry {
        var token: Token
        var actor: Actor?
        var freshUntil: NIODeadline
        /// The question that is under way: further requests wait for its answer.
        var question: Task<Result<AuthenticateReply, EdgeError>, Never>?
    }

    private let secret: TokenSecret
    private var young: [Substring: Entry] = [:]
    private var old: [Substring: Entry] = [:]

    init(secret: TokenSecret) { self.secret = secret }

    /// How many tokens are remembered.
    var count: Int { young.count + old.count }

    /// The text of a token in an `Authorization` header, and whether it says to be a bot's: `Bot` stands before a bot's
    /// token, nothing or `Bearer` before a user's.
    static func token(in header: String) -> (text: Substring, isBot: Bool) {
        if header.hasPrefix("Bot ") { return (header.dropFirst(4), true) }
        return (header.hasPrefix("Bearer ") ? header.dropFirst(7) : header[...], false)
    }

    /// What is known of a token; `nil` when its signature is not ours.
    mutating func entry(_ text: Substring) -> Entry? {
        if let entry = young[text] { return entry }
        if let entry = old[text] {
            store(entry, for: text)
            return entry
        }
        guard let token = Token(text, secret: secret) else { return nil }
        return Entry(token: token, freshUntil: .uptimeNanoseconds(0))
    }

    mutating func store(_ entry: Entry, for text: Substring) {
        if young.count >= Authenticator.generationSize, young[text] == nil {
            old = young
            young = [:]
        }
        // The header's own string may hold more than the token.
        young[Substring(String(text))] = entry
    }
}

extension Responder {
    /// Who makes the request.
    ///
    /// - Throws: ``EdgeError/unauthorized``, or ``EdgeError/timeout`` when the user's slot does not answer.
    func authenticate(_ request: EdgeRequest) async throws(EdgeError) -> Actor {
        guard let header = request.headers.first(name: "authorization"), header.utf8.count <= Token.maximumLength + 8
        else { throw .unauthorized }
        let token = Authenticator.token(in: header)
        let actor = try await authenticate(token.text, deadline: request.deadline)
        guard actor.profile.isBot == token.isBot else { throw .unauthorized }
        return actor
    }

    func authenticate(_ text: Substring, deadline: NIODeadline) async throws(EdgeError) -> Actor {
        guard var entry = authenticator.entry(text) else { throw .unauthorized }
        let asked = NIODeadline.now()
        if entry.freshUntil > asked, let actor = entry.actor { return actor }
        if let question = entry.question {
            return try actor(try await question.value.get())
        }
        let token = entry.token
        // Not the request's own task: others may wait for the answer after this client has gone.
        let question = Task { await self.verify(token, deadline: deadline) }
        entry.question = question
        authenticator.store(entry, for: text)
        let answer = await question.value
        entry.question = nil
        entry.actor = try? answer.get().actor
        entry.freshUntil = asked + Authenticator.freshness
        authenticator.store(entry, for: text)
        return try actor(try answer.get())
    }

    private func actor(_ reply: AuthenticateReply) throws(EdgeError) -> Actor {
        guard let actor = reply.actor else { throw .unauthorized }
        return actor
    }

    private func verify(_ token: Token, deadline: NIODeadline) async -> Result<AuthenticateReply, EdgeError> {
        let body = AuthenticateRequest(userID: token.userID, tokenID: token.tokenID).encoded()
        do throws(SlotCallFailure) {
            let reply = try await service.slots.call(
                token.userID.slot, kind: .authenticate, body: body, requestID: nil, deadline: deadline)
            guard let reply = try? AuthenticateReply(decoding: reply) else { return .failure(.internalError) }
            return .success(reply)
        } catch {
            return .failure(edgeError(error, "authenticate"))
        }
    }
}

import Domain
import Identity
import NIOCore
import Wire

extension ClientLoop {
    // MARK: IDENTIFY

    func identify(_ identify: Identify, on connection: ClientConnection) {
        guard let token = token(identify.token) else { return connection.close(.authenticationFailed) }
        if let shard = identify.shard {
            guard shard.count == 2, shard[1] > 0, shard[0] >= 0, shard[0] < shard[1] else {
                return connection.close(.invalidShard)
            }
        }
        if let intents = identify.intents, intents < 0 { return connection.close(.invalidIntents) }
        guard context.pace.admits(token.userID, shard: identify.shard?[0] ?? 0, now: now) else {
            return connection.invalidated()
        }
        connection.identify = (identify, token)
        context.authenticate(token, self, connection.number)
    }

    /// A token in any of its forms: bare, or with `Bot ` before it, as some libraries send it here too.
    private func token(_ text: String) -> Token? {
        let bare = text.hasPrefix("Bot ") ? text.dropFirst(4) : text[...]
        return Token(bare, secret: context.tokenSecret)
    }

    func authenticated(_ connection: ClientConnection?, _ reply: AuthenticateReply?) {
        guard let connection, case .open = connection.phase, let (identify, _) = connection.identify else { return }
        connection.identify = nil
        guard let reply else {
            // The user's slot has no primary now: the client tries again by itself.
            return connection.close(.unknownError)
        }
        guard let actor = reply.actor else { return connection.close(.authenticationFailed) }
        guard !reply.isExhausted else { return connection.close(.rateLimited) }
        let intents: UInt64
        if let asked = identify.intents {
            intents = UInt64(asked)
        } else if actor.profile.isBot {
            return connection.close(.invalidIntents)
        } else {
            intents = .max
        }
        if actor.profile.isBot, intents & Intents.privileged & ~reply.allowedPrivilegedIntents != 0 {
            return connection.close(.disallowedIntents)
        }
        if identify.compress == true, connection.encoding == .text { connection.encoding = .payloadCompression }
        var generator = SystemRandomNumberGenerator()
        let session = Session(
            identity: Session.Identity(
                id: SessionID(origin: context.node, using: &generator), actor: actor, intents: intents,
                version: connection.version, shard: identify.shard?[0] ?? 0, shardCount: identify.shard?[1] ?? 1,
                isSharded: identify.shard != nil, largeThreshold: min(max(identify.largeThreshold ?? 50, 50), 250)))
        session.sink = connection
        session.resumeURL = connection.resumeURL
        connection.session = session
        connection.withMachine {
            $0.attached()
            return nil
        }
        tally.identifies += 1
        context.sessionBegan(session.id, number)
        host.begin(session)
    }

    // MARK: RESUME

    func resume(_ resume: Resume, on connection: ClientConnection) {
        guard let token = token(resume.token) else { return connection.close(.authenticationFailed) }
        guard let id = SessionID(resume.sessionID) else { return connection.invalidated() }
        if let session = host.sessions[id], !session.isDoubtful {
            guard holds(session, token) else { return connection.invalidated() }
            continueSession(session, resume, on: connection)
        } else {
            connection.resume = (resume, token)
            context.resume(id, token, resume.sequence, number, connection.number)
        }
    }

    /// Whether the token is the session's own. Tokens are well signed at this point, so that equality of their two
    /// numbers, which takes the same time whatever they are, is equality of tokens.
    private func holds(_ session: Session, _ token: Token) -> Bool {
        let difference =
            (session.userID.rawValue ^ token.userID.rawValue) | (session.identity.actor.tokenID ^ token.tokenID)
        return difference == 0
    }

    private func continueSession(_ session: Session, _ resume: Resume, on connection: ClientConnection) {
        guard resume.sequence <= session.sequence else {
            host.end(session)
            return connection.close(.invalidSequence)
        }
        // An older connection of the session is cut; the client has left it.
        if let old = session.sink as? ClientConnection, old !== connection {
            old.session = nil
            session.sink = nil
            old.close(GatewayCloseCode.unknownError.rawValue, "The session was resumed elsewhere.")
        }
        connection.session = session
        connection.withMachine {
            $0.attached()
            return nil
        }
        tally.resumes += 1
        guard session.resume(after: resume.sequence, sink: connection, now: now) else {
            tally.invalidations += 1
            session.sink = connection
            return host.invalidate(session)
        }
    }

    /// A session from elsewhere has come, or is nowhere.
    func resumed(_ number: UInt64, _ record: SessionRecord?) {
        let connection = connections[number]
        guard let record else {
            connection?.resume = nil
            connection?.invalidated()
            return
        }
        // The session is this loop's now, even if the client has gone in the meantime: it may come again.
        let session = take(record)
        guard let connection, case .open = connection.phase, let (resume, _) = connection.resume else { return }
        connection.resume = nil
        continueSession(session, resume, on: connection)
    }

    /// - Returns: the session that lives here then: one that is here already, if that is the right one of the two.
    @discardableResult
    func take(_ record: SessionRecord) -> Session {
        if let present = host.sessions[record.id] {
            if present.supersedes(record) { return present }
            host.end(present)
        }
        let session = record.makeSession(now: now)
        context.sessionBegan(session.id, number)
        host.take(session)
        return session
    }

    /// Gives a session to another loop or gateway, if the token is its own; its connection here is cut.
    func export(_ id: SessionID, _ token: Token) -> SessionRecord? {
        guard let session = host.sessions[id], holds(session, token) else { return nil }
        if let old = session.sink as? ClientConnection {
            old.session = nil
            session.sink = nil
            old.close(GatewayCloseCode.unknownError.rawValue, "The session was resumed elsewhere.")
        }
        return host.export(session)
    }

    // MARK: Drain

    /// Takes up to `limit` sessions out, for peers; their clients are told to reconnect. Those that have not had READY
    /// have nothing to hand over: their clients identify again.
    func handOver(_ limit: Int) -> [SessionRecord] {
        var records: [SessionRecord] = []
        for session in host.sessions.values.prefix(limit) {
            if let connection = session.sink as? ClientConnection {
                connection.session = nil
                session.sink = nil
                sendAway(connection)
            }
            guard session.isReady else {
                host.end(session)
                continue
            }
            context.sessionLeaves(session.id, number)
            records.append(host.export(session))
        }
        return records
    }

    /// Op 7, and a close that a client may resume after.
    func sendAway(_ connection: ClientConnection) {
        connection.send(.payload(ProtocolMachine.reconnect))
        connection.close(GatewayCloseCode.unknownError.rawValue, "The gateway is going away; resume elsewhere.")
    }

    // MARK: Op 8

    /// All members of a guild may be asked for once in this time (Discord, "Request Guild Members").
    static let allMembersInterval = TimeAmount.seconds(30)
    /// Requests of one session that wait; they are answered one after the other. A bot asks for every guild at once.
    static let maximumMemberRequests = 4 * ProtocolMachine.payloadLimit

    func requestMembers(_ request: GuildMembersRequest, on connection: ClientConnection) {
        guard let session = connection.session, session.guilds[request.guildID] != nil else { return }
        let isAll = request.userIDs.isEmpty && (request.query ?? "").isEmpty && (request.limit ?? 0) == 0
        if isAll {
            if let last = session.memberRequests[request.guildID], now - last < ClientLoop.allMembersInterval {
                let rest = ClientLoop.allMembersInterval - (now - last)
                return rateLimited(request, session, retryAfter: Double(rest.nanoseconds) / 1e9)
            }
            session.memberRequests[request.guildID] = now
        }
        let member = MemberRequest(
            session: session.id, actor: session.identity.actor, request: request,
            hasMembersIntent: session.intents & Intents.guildMembers != 0)
        guard session.isReadingMembers else {
            session.isReadingMembers = true
            return context.requestMembers(member, self)
        }
        guard session.memberQueue.count < ClientLoop.maximumMemberRequests else {
            return rateLimited(request, session, retryAfter: 60)
        }
        session.memberQueue.append(member)
    }

    /// The answer to the session's oldest request for members; the next one's turn.
    func answered(_ session: Session, _ type: String, _ payloads: [ByteBuffer]) {
        for payload in payloads { session.dispatch(Dispatch(type: type, payload: payload), now: now) }
        if let next = session.memberQueue.popFirst() {
            context.requestMembers(next, self)
        } else {
            session.isReadingMembers = false
        }
    }

    private func rateLimited(_ request: GuildMembersRequest, _ session: Session, retryAfter: Double) {
        var writer = JSONWriter()
        writer.object {
            $0.member("opcode", 8)
            $0.name("retry_after")
            $0.double(retryAfter)
            $0.member(
                "meta",
                object: {
                    $0.member("guild_id", request.guildID)
                    if let nonce = request.nonce { $0.member("nonce", nonce) }
                })
        }
        session.dispatch(Dispatch(type: "RATE_LIMITED", payload: writer.buffer), now: now)
    }
}

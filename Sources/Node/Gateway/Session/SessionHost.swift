import Domain
import Identity
import NIOCore
import Wire

/// Where a host's events come from: the gateway's one ``RootFollower``. Answers come back by the host's methods.
protocol RootSource: AnyObject {
    /// Sends the entity's events to this host; again with more intents to widen the interest.
    func follow(_ root: RootEntity, intents: UInt64)
    func unfollow(_ root: RootEntity)
    func snapshot(_ root: RootEntity, user: UserID, tag: UInt64)
    func fetch(_ root: RootEntity, after: EventNumber, through: EventNumber, tag: UInt64)
}

/// The sessions of one loop and what they follow, without I/O; the loop calls it and nobody else.
///
/// A session attaches to a root entity by a snapshot, which comes in order with the entity's events: what follows the
/// snapshot in the stream is what the session gets after it, nothing twice and nothing missed. One that has moved here
/// from elsewhere has had events up to some number; those between it and the snapshot are fetched, and what comes
/// meanwhile is held back.
final class SessionHost {
    /// One root entity that sessions here are attached to.
    final class FollowedRoot {
        /// The number of the last durable event, or of a later snapshot.
        var position = EventNumber.zero
        var intents: UInt64 = 0
        var sessions: [ObjectIdentifier: Session] = [:]
        /// A guild's, from the first snapshot on.
        var audience: GuildAudience?
        /// Sessions whose progress is ``Session/GuildProgress/catchingUp(after:held:)``.
        var catchingUp: [ObjectIdentifier: Session] = [:]
    }

    /// The most guilds of one shard of a bot (Discord, "Sharding").
    static let maximumGuildsPerShard = 2500
    /// Interest that every subscription has: what a view needs to stay right comes with these events.
    static let viewIntents = Intents.guilds | Intents.guildMembers

    unowned let source: any RootSource
    private(set) var sessions: [SessionID: Session] = [:]
    var roots: [RootEntity: FollowedRoot] = [:]
    private var pending: [UInt64: (session: SessionID, root: RootEntity)] = [:]
    private var nextTag: UInt64 = 1
    /// The loop's clock, set by it before each batch.
    var now = NIODeadline.uptimeNanoseconds(0)
    /// Called when a session ends here for good or moves away.
    var sessionEnded: (SessionID) -> Void = { _ in }

    init(source: any RootSource) { self.source = source }

    // MARK: Sessions

    func begin(_ session: Session) {
        sessions[session.id] = session
        attach(session, to: .user(session.userID))
    }

    /// Takes over a session that was elsewhere.
    func take(_ session: Session) {
        sessions[session.id] = session
        attach(session, to: .user(session.userID))
        for guild in session.guilds.keys { attach(session, to: .guild(guild)) }
    }

    /// Gives a session up to another owner.
    func export(_ session: Session) -> SessionRecord {
        let record = SessionRecord(session) { roots[$0]?.position }
        end(session)
        return record
    }

    func end(_ session: Session) {
        guard sessions.removeValue(forKey: session.id) != nil else { return }
        release(session, from: .user(session.userID))
        for guild in session.guilds.keys { release(session, from: .guild(guild)) }
        sessionEnded(session.id)
    }

    func invalidate(_ session: Session) {
        let sink = session.sink
        end(session)
        sink?.invalidated()
    }

    /// Ends sessions whose client has not come back, and trims what need not be kept.
    func sweep() {
        for session in sessions.values {
            if session.isResumable(now: now) { session.replay.expire(now: now) } else { end(session) }
        }
    }

    // MARK: Attachment

    func attach(_ session: Session, to root: RootEntity) {
        let followed = roots[root] ?? FollowedRoot()
        roots[root] = followed
        followed.sessions[ObjectIdentifier(session)] = session
        let wanted = followed.intents | session.intents | SessionHost.viewIntents
        if wanted != followed.intents {
            followed.intents = wanted
            source.follow(root, intents: wanted)
        }
        let tag = makeTag(session, root)
        source.snapshot(root, user: session.userID, tag: tag)
    }

    private func makeTag(_ session: Session, _ root: RootEntity) -> UInt64 {
        nextTag += 1
        pending[nextTag] = (session.id, root)
        return nextTag
    }

    func release(_ session: Session, from root: RootEntity) {
        guard let followed = roots[root] else { return }
        let key = ObjectIdentifier(session)
        followed.sessions[key] = nil
        followed.catchingUp[key] = nil
        followed.audience?.remove(session)
        if followed.sessions.isEmpty {
            roots[root] = nil
            source.unfollow(root)
        }
    }

    func received(snapshot body: ByteBuffer, of root: RootEntity, number: EventNumber, tag: UInt64) {
        guard let (session, followed) = claim(tag) else { return }
        followed.position = max(followed.position, number)
        do throws(FieldError) {
            switch root {
            case .user: attached(session, try UserSnapshot(decoding: body), number)
            case .guild(let id): attached(session, to: id, followed, try GuildSnapshot(decoding: body), number)
            }
        } catch {
            // A snapshot that cannot be read is a fault of the cluster, and the session would wait for ever.
            invalidate(session)
        }
    }

    /// The live session and root that a tag was made for.
    private func claim(_ tag: UInt64) -> (Session, FollowedRoot)? {
        guard let request = pending.removeValue(forKey: tag), let session = sessions[request.session],
            let followed = roots[request.root], followed.sessions[ObjectIdentifier(session)] != nil
        else { return nil }
        return (session, followed)
    }

    private func attached(_ session: Session, _ snapshot: UserSnapshot, _ number: EventNumber) {
        let root = RootEntity.user(session.userID)
        guard session.isReady else {
            session.isReady = true
            session.userProgress = .live
            let guilds = snapshot.guilds.filter(session.serves)
            if snapshot.profile.isBot, guilds.count > SessionHost.maximumGuildsPerShard {
                let sink = session.sink
                end(session)
                sink?.close(.shardingRequired)
                return
            }
            let payload = SessionPayloads.ready(
                snapshot, for: session.identity, guilds: guilds, resumeURL: session.resumeURL)
            session.dispatch(Dispatch(type: "READY", payload: payload), now: now)
            for guild in guilds {
                session.guilds[guild] = .attaching(after: nil)
                attach(session, to: .guild(guild))
            }
            return
        }
        session.userProgress = catchUp(session, root, from: session.userProgress, through: number)
    }

    private func attached(
        _ session: Session, to guild: GuildID, _ followed: FollowedRoot, _ snapshot: GuildSnapshot,
        _ number: EventNumber
    ) {
        guard let progress = session.guilds[guild] else { return }
        guard let member = snapshot.members.first(where: { $0.userID == session.userID }) else {
            return left(session, guild)
        }
        let audience = followed.audience ?? GuildAudience(snapshot)
        followed.audience = audience
        audience.add(session, member: member)
        guard case .attaching(.some) = progress else {
            session.guilds[guild] = .live
            guard session.intents & Intents.guilds != 0 else { return }
            let group = audience.visibilityClass(of: session)
            let payload = SessionPayloads.guildCreate(snapshot, member: member, identity: session.identity) {
                group?.sees($0, of: audience.view) ?? false
            }
            session.dispatch(Dispatch(type: "GUILD_CREATE", payload: payload), now: now)
            return
        }
        let next = catchUp(session, .guild(guild), from: progress, through: number)
        session.guilds[guild] = next
    }

    /// Fetches what the session misses up to `number`, if anything.
    private func catchUp(
        _ session: Session, _ root: RootEntity, from progress: Session.GuildProgress, through number: EventNumber
    ) -> Session.GuildProgress {
        guard case .attaching(let after?) = progress, after < number, let followed = roots[root] else { return .live }
        followed.catchingUp[ObjectIdentifier(session)] = session
        source.fetch(root, after: after, through: number, tag: makeTag(session, root))
        return .catchingUp(after: after, held: [])
    }

    func received(fetched events: [NumberedEvent], of root: RootEntity, tag: UInt64) {
        guard let (session, followed) = claim(tag) else { return }
        followed.catchingUp[ObjectIdentifier(session)] = nil
        let progress: Session.GuildProgress?
        switch root {
        case .user: progress = session.userProgress
        case .guild(let guild): progress = session.guilds[guild]
        }
        guard case .catchingUp(let after, let held)? = progress else { return }
        switch root {
        case .user: session.userProgress = .live
        case .guild(let guild): session.guilds[guild] = .live
        }
        var last = after
        for numbered in events + held where numbered.number > last || numbered.number == .zero {
            if numbered.number != .zero { last = numbered.number }
            deliver(numbered.event, of: root, toOne: session, followed)
        }
    }

    /// The events that a session misses are no longer there.
    func received(gapOf root: RootEntity, tag: UInt64) {
        if let (session, _) = claim(tag) { invalidate(session) }
    }

    /// The entity does not exist, or has not this user.
    func received(unknown root: RootEntity, tag: UInt64) {
        guard let (session, _) = claim(tag) else { return }
        switch root {
        case .user:
            let sink = session.sink
            end(session)
            sink?.close(.authenticationFailed)
        case .guild(let guild): left(session, guild)
        }
    }

    /// Events of the entity were lost for all that follow it.
    func lost(_ root: RootEntity) {
        guard let followed = roots[root] else { return }
        for session in followed.sessions.values { invalidate(session) }
    }

    /// The session's user is no longer in the guild.
    func left(_ session: Session, _ guild: GuildID) {
        guard session.guilds.removeValue(forKey: guild) != nil else { return }
        release(session, from: .guild(guild))
        if session.intents & Intents.guilds != 0 {
            session.dispatch(Dispatch(type: "GUILD_DELETE", payload: SessionPayloads.guildDelete(guild)), now: now)
        }
    }
}

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
    }

    struct Awaited {
        var session: SessionID
        var root: RootEntity
        var since: NIODeadline
    }

    /// READY waits so long for the user's slot; then the client is told to try again. Guilds that do not come hold up
    /// nothing: they stay unavailable, and GUILD_CREATE follows when their slot answers.
    static let readyDeadline = TimeAmount.seconds(20)
    /// The most guilds of one shard of a bot (Discord, "Sharding").
    static let maximumGuildsPerShard = 2500
    /// Interest that every subscription has: what a view needs to stay right comes with these events.
    static let viewIntents = Intents.guilds | Intents.guildMembers

    unowned let source: any RootSource
    private(set) var sessions: [SessionID: Session] = [:]
    var roots: [RootEntity: FollowedRoot] = [:]
    /// Snapshots and fetches that are not answered, by tag; each is its session's ``Session/awaited`` as well.
    private(set) var pending: [UInt64: Awaited] = [:]
    private var nextTag: UInt64 = 1
    /// The loop's clock, set by it before each batch.
    var now = NIODeadline.uptimeNanoseconds(0)
    /// Called when a session ends here for good or moves away.
    var sessionEnded: (SessionID) -> Void = { _ in }

    /// Above it, sessions that wait for their client make room for new ones.
    var maximumSessions = Int.max

    /// Kept at a buddy while there is one.
    var journal: SessionJournal?

    init(source: any RootSource) { self.source = source }

    // MARK: Sessions

    func begin(_ session: Session) {
        makeRoom()
        sessions[session.id] = session
        journal?.adopt(session)
        attach(session, to: .user(session.userID))
    }

    /// Takes over a session that was elsewhere.
    func take(_ session: Session) {
        makeRoom()
        sessions[session.id] = session
        journal?.adopt(session)
        attach(session, to: .user(session.userID))
        for guild in session.guilds.keys { attach(session, to: .guild(guild)) }
    }

    /// Ends sessions without a client when there are too many, those first that lost theirs first; a few at a time, so
    /// that they are looked for rarely.
    private func makeRoom() {
        guard sessions.count >= maximumSessions else { return }
        let waiting = sessions.values.compactMap { session in session.detachedAt.map { (session, $0) } }
        for (session, _) in waiting.sorted(by: { $0.1 < $1.1 }).prefix(max(1, maximumSessions / 64)) { end(session) }
    }

    /// Gives a session up to another owner.
    func export(_ session: Session) -> SessionRecord {
        let record = record(of: session)
        end(session)
        return record
    }

    /// The session as it stands.
    func record(of session: Session) -> SessionRecord {
        SessionRecord(session, position: { roots[$0]?.position }, seen: { seen(by: session, of: $0) })
    }

    /// The channels of a guild that the session sees, or saw where it comes from while it is still catching up.
    func seen(by session: Session, of guild: GuildID) -> [ChannelID]? {
        if let seen = session.seen[guild] { return Array(seen.channels) }
        guard let audience = roots[.guild(guild)]?.audience, let group = audience.visibilityClass(of: session) else {
            return nil
        }
        return audience.view.channels.map(\.id).filter { group.sees($0, of: audience.view) }
    }

    func end(_ session: Session) {
        guard sessions.removeValue(forKey: session.id) != nil else { return }
        release(session, from: .user(session.userID))
        for guild in session.guilds.keys { release(session, from: .guild(guild)) }
        session.journal?.close(session)
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
            guard session.isResumable(now: now) else {
                end(session)
                continue
            }
            session.replay.expire(now: now)
            if !session.isReady { giveUp(session) }
        }
    }

    /// Ends a session that has waited too long for READY; the client identifies again after the close.
    private func giveUp(_ session: Session) {
        guard let tag = session.awaited[.user(session.userID)], let awaited = pending[tag],
            now - awaited.since >= SessionHost.readyDeadline
        else { return }
        let sink = session.sink
        end(session)
        sink?.close(.unknownError)
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

    func makeTag(_ session: Session, _ root: RootEntity) -> UInt64 {
        nextTag += 1
        pending[nextTag] = Awaited(session: session.id, root: root, since: now)
        if let older = session.awaited.updateValue(nextTag, forKey: root) { pending[older] = nil }
        return nextTag
    }

    func release(_ session: Session, from root: RootEntity) {
        if let tag = session.awaited.removeValue(forKey: root) { pending[tag] = nil }
        guard let followed = roots[root] else { return }
        followed.sessions[ObjectIdentifier(session)] = nil
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
    func claim(_ tag: UInt64) -> (Session, FollowedRoot)? {
        guard let request = pending.removeValue(forKey: tag), let session = sessions[request.session],
            let followed = roots[request.root], followed.sessions[ObjectIdentifier(session)] != nil
        else { return nil }
        session.awaited[request.root] = nil
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
            note(session, root)
            for guild in guilds {
                session.guilds[guild] = .attaching(after: nil)
                attach(session, to: .guild(guild))
                note(session, .guild(guild))
            }
            return
        }
        session.userProgress = catchUp(session, root, from: session.userProgress, through: number)
        note(session, root)
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
            session.seen[guild] = nil
            defer { note(session, .guild(guild)) }
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
        compareChannels(of: session, guild, audience)
        if case .live = next { caughtUp(session, guild) }
        note(session, .guild(guild))
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
        session.seen[guild] = nil
        release(session, from: .guild(guild))
        if session.intents & Intents.guilds != 0 {
            session.dispatch(Dispatch(type: "GUILD_DELETE", payload: SessionPayloads.guildDelete(guild)), now: now)
        }
        note(session, .guild(guild))
    }
}

import Domain
import Identity
import NIOCore
import Wire

extension SessionHost {
    /// An event as sessions get it: the dispatches are made when the first of them needs one.
    struct Delivery {
        let event: Event
        private var full: Dispatch?
        private var redacted: Dispatch?

        init(_ event: Event) { self.event = event }

        /// - Parameter readsContent: whether the session may see what messages say.
        mutating func dispatch(readsContent: Bool) -> Dispatch {
            guard let payload = event.redactedPayload, !readsContent else {
                if let full { return full }
                let made = Dispatch(type: event.type, payload: event.payload)
                full = made
                return made
            }
            if let redacted { return redacted }
            let made = Dispatch(type: event.type, payload: payload)
            redacted = made
            return made
        }
    }

    /// An event in the entity's order; `number` is absent for ephemeral ones.
    func received(_ event: Event, number: EventNumber?) {
        guard let followed = roots[event.root] else { return }
        if let number {
            guard number > followed.position else { return }
            followed.position = number
        }
        if !followed.catchingUp.isEmpty { hold(event, number, followed) }
        switch event.root {
        case .user:
            for session in followed.sessions.values {
                guard case .live = session.userProgress else { continue }
                deliver(event, of: event.root, toOne: session, followed)
            }
        case .guild(let guild):
            if let audience = followed.audience { deliver(event, of: guild, to: audience, followed) }
        }
    }

    /// Keeps an event for sessions that are still being given older ones.
    private func hold(_ event: Event, _ number: EventNumber?, _ followed: FollowedRoot) {
        for session in followed.catchingUp.values {
            let entry = NumberedEvent(number: number ?? .zero, event: event)
            var isOverfull = false
            func held(_ progress: Session.GuildProgress?) -> Session.GuildProgress? {
                guard case .catchingUp(let after, var held)? = progress else { return progress }
                held.append(entry)
                isOverfull = held.count > Session.maximumHeld
                return .catchingUp(after: after, held: held)
            }
            switch event.root {
            case .user: if let next = held(session.userProgress) { session.userProgress = next }
            case .guild(let guild): session.guilds[guild] = held(session.guilds[guild])
            }
            if isOverfull { invalidate(session) }
        }
    }

    private func isLive(_ session: Session, _ guild: GuildID) -> Bool {
        guard case .live? = session.guilds[guild] else { return false }
        return true
    }

    private func deliver(_ event: Event, of guild: GuildID, to audience: GuildAudience, _ followed: FollowedRoot) {
        switch event.change {
        case .channelDeleted?:
            // Those who saw the channel hear of its end.
            send(event, to: audience, of: followed) { _ in true }
            _ = event.change.map(audience.apply)
        case .memberRemoved(let user)?:
            for session in audience.sessions(of: user) where isLive(session, guild) {
                audience.remove(session)
                session.guilds[guild] = .left
            }
            send(event, to: audience, of: followed) { _ in true }
            _ = event.change.map(audience.apply)
        case .guildDeleted?:
            for session in audience.sessions where isLive(session, guild) { left(session, guild) }
        case let change?:
            let shifts = audience.apply(change).shifts
            var changed: Set<ObjectIdentifier> = []
            for shift in shifts where isLive(shift.session, guild) {
                changed.insert(ObjectIdentifier(shift.session))
            }
            // CHANNEL_UPDATE by which the channel itself appears comes as CHANNEL_CREATE instead.
            var isChannel = false
            if case .channel = change { isChannel = true }
            send(event, to: audience, of: followed) { !isChannel || !changed.contains(ObjectIdentifier($0)) }
            shifted(shifts, in: guild)
        case nil: send(event, to: audience, of: followed) { _ in true }
        }
    }

    /// Channels appear to sessions, or vanish, because roles or overwrites changed.
    private func shifted(_ shifts: [GuildAudience.Shift], in guild: GuildID) {
        var made: [ChannelID: (create: Dispatch, delete: Dispatch)] = [:]
        func dispatches(_ channel: ChannelView) -> (create: Dispatch, delete: Dispatch) {
            if let known = made[channel.id] { return known }
            let payload = SessionPayloads.channel(channel, in: guild)
            let pair = (
                create: Dispatch(type: "CHANNEL_CREATE", payload: payload),
                delete: Dispatch(type: "CHANNEL_DELETE", payload: payload)
            )
            made[channel.id] = pair
            return pair
        }
        for shift in shifts where isLive(shift.session, guild) && shift.session.intents & Intents.guilds != 0 {
            for channel in shift.vanished { shift.session.dispatch(dispatches(channel).delete, now: now) }
            for channel in shift.appeared { shift.session.dispatch(dispatches(channel).create, now: now) }
        }
    }

    /// A session of the audience is live, or it catches up and is in that set: the sessions themselves, of which there
    /// may be very many, are not asked.
    private func send(
        _ event: Event, to audience: GuildAudience, of followed: FollowedRoot, where isIncluded: (Session) -> Bool
    ) {
        guard !event.type.isEmpty else { return }
        var delivery = Delivery(event)
        let catchingUp = followed.catchingUp
        let isQuiet = catchingUp.isEmpty
        audience.recipients(of: event) { session, readsContent in
            guard isQuiet || catchingUp[ObjectIdentifier(session)] == nil, isIncluded(session) else { return }
            session.dispatch(delivery.dispatch(readsContent: readsContent), now: now)
        }
    }

    /// An event for one session: the user's own, or one that a session had missed. The view has advanced already.
    func deliver(_ event: Event, of root: RootEntity, toOne session: Session, _ followed: FollowedRoot) {
        guard sessions[session.id] === session else { return }
        switch root {
        case .guild(let guild):
            switch event.change {
            case .memberRemoved(session.userID)?: return
            case .guildDeleted?: return left(session, guild)
            default: break
            }
            guard !event.type.isEmpty, let audience = followed.audience,
                let readsContent = audience.receipt(of: event, by: session)
            else { return }
            var delivery = Delivery(event)
            session.dispatch(delivery.dispatch(readsContent: readsContent), now: now)
        case .user:
            if !event.type.isEmpty, event.intents == 0 || event.intents & session.intents != 0 {
                session.dispatch(Dispatch(type: event.type, payload: event.payload), now: now)
            }
            if let change = event.change { apply(change, to: session) }
        }
    }

    private func apply(_ change: ViewChange, to session: Session) {
        switch change {
        case .guildJoined(let guild):
            guard session.serves(guild) else { return }
            if case .left? = session.guilds[guild] { left(session, guild) }
            guard session.guilds[guild] == nil else { return }
            session.guilds[guild] = .attaching(after: nil)
            attach(session, to: .guild(guild))
        case .guildLeft(let guild): left(session, guild)
        case .tokensRevoked(let tokens):
            guard tokens.isEmpty || tokens.contains(session.identity.actor.tokenID) else { return }
            let sink = session.sink
            end(session)
            sink?.close(.authenticationFailed)
        default: break
        }
    }
}

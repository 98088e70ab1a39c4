import Domain
import Identity
import NIOCore
import Wire

extension SessionHost {
    /// An event as sessions get it: the dispatches are made when the first of them needs one.
    struct Delivery {
        let event: Event
        private let cause: Dispatch.Cause
        private var full: Dispatch?
        private var redacted: Dispatch?

        /// - Parameter number: absent for ephemeral events.
        init(_ event: Event, number: EventNumber?) {
            self.event = event
            guard let number else {
                cause = .other
                return
            }
            switch (event.root, event.change) {
            case (.guild(let guild), .channel(let channel)?) where event.type == "CHANNEL_CREATE":
                cause = .channel(guild, channel.id, hasAppeared: true, number)
            case (.guild(let guild), .channelDeleted(let channel)?):
                cause = .channel(guild, channel, hasAppeared: false, number)
            default: cause = .event(event.root, number)
            }
        }

        /// - Parameter readsContent: whether the session may see what messages say.
        mutating func dispatch(readsContent: Bool) -> Dispatch {
            guard let payload = event.redactedPayload, !readsContent else {
                if let full { return full }
                let made = Dispatch(type: event.type, payload: event.payload, cause: cause)
                full = made
                return made
            }
            if let redacted { return redacted }
            let made = Dispatch(type: event.type, payload: payload, cause: cause)
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
            journal?.handled(event.root, number)
        }
        switch event.root {
        case .user: for session in followed.sessions.values { received(event, number, by: session) }
        case .guild(let guild):
            if let audience = followed.audience { deliver(event, number, of: guild, to: audience) }
        }
    }

    /// An event of the session's user.
    private func received(_ event: Event, _ number: EventNumber?, by session: Session) {
        switch session.userProgress {
        case .live: deliver(event, number, toUserOf: session)
        case .catchingUp:
            session.heldUserEvents.append((event, number))
            if session.heldUserEvents.count > Session.maximumHeld { invalidate(session) }
        case .attaching, .left: break
        }
    }

    /// Whether the session gets what happens in the guild, now or behind what is being fetched.
    func isAttached(_ session: Session, _ guild: GuildID) -> Bool {
        switch session.guilds[guild] {
        case .live?, .catchingUp?: true
        case .attaching?, .left?, nil: false
        }
    }

    /// Sends a dispatch of a guild's, or holds it back behind older ones.
    private func send(_ dispatch: Dispatch, of guild: GuildID, to session: Session) {
        guard case .catchingUp(let after, var held)? = session.guilds[guild] else {
            return session.dispatch(dispatch, now: now)
        }
        // Moved out for the append, so that the array is not copied.
        session.guilds[guild] = .catchingUp(after: after, held: [])
        held.append(dispatch)
        session.guilds[guild] = .catchingUp(after: after, held: held)
        if held.count > Session.maximumHeld { invalidate(session) }
    }

    private func deliver(_ event: Event, _ number: EventNumber?, of guild: GuildID, to audience: GuildAudience) {
        switch event.change {
        case .channelDeleted?:
            // Those who saw the channel hear of its end.
            send(event, number, of: guild, audience) { _ in true }
            if let effect = event.change.map(audience.apply)?.effect { noteSight(effect, guild, audience) }
        case .memberRemoved(let user)?:
            for session in audience.sessions(of: user) where isAttached(session, guild) {
                audience.remove(session)
                session.guilds[guild] = .left
                note(session, .guild(guild))
            }
            send(event, number, of: guild, audience) { _ in true }
            _ = event.change.map(audience.apply)
        case .guildDeleted?:
            for session in audience.sessions where isAttached(session, guild) { left(session, guild) }
        case let change?:
            let (effect, shifts) = audience.apply(change)
            var changed: Set<ObjectIdentifier> = []
            for shift in shifts where isAttached(shift.session, guild) {
                changed.insert(ObjectIdentifier(shift.session))
            }
            // CHANNEL_UPDATE by which the channel itself appears comes as CHANNEL_CREATE instead.
            var isChannel = false
            if case .channel = change { isChannel = true }
            send(event, number, of: guild, audience) { !isChannel || !changed.contains(ObjectIdentifier($0)) }
            shifted(shifts, in: guild)
            noteSight(effect, guild, audience)
        case nil: send(event, number, of: guild, audience) { _ in true }
        }
    }

    /// Channels appear to sessions, or vanish, because roles or overwrites changed.
    private func shifted(_ shifts: [GuildAudience.Shift], in guild: GuildID) {
        var made: [ChannelID: (create: Dispatch, delete: Dispatch)] = [:]
        func dispatches(_ channel: ChannelView) -> (create: Dispatch, delete: Dispatch) {
            if let known = made[channel.id] { return known }
            let payload = SessionPayloads.channel(channel, in: guild)
            let pair = (
                create: Dispatch(
                    type: "CHANNEL_CREATE", payload: payload,
                    cause: .shift(guild, channel.id, hasAppeared: true)),
                delete: Dispatch(
                    type: "CHANNEL_DELETE", payload: payload,
                    cause: .shift(guild, channel.id, hasAppeared: false))
            )
            made[channel.id] = pair
            return pair
        }
        for shift in shifts where isAttached(shift.session, guild) && shift.session.intents & Intents.guilds != 0 {
            for channel in shift.vanished { send(dispatches(channel).delete, of: guild, to: shift.session) }
            for channel in shift.appeared { send(dispatches(channel).create, of: guild, to: shift.session) }
        }
    }

    private func send(
        _ event: Event, _ number: EventNumber?, of guild: GuildID, _ audience: GuildAudience,
        where isIncluded: (Session) -> Bool
    ) {
        guard !event.type.isEmpty else { return }
        var delivery = Delivery(event, number: number)
        audience.recipients(of: event) { session, readsContent in
            guard isIncluded(session) else { return }
            // The frequent case costs one look.
            switch session.guilds[guild] {
            case .live?: session.dispatch(delivery.dispatch(readsContent: readsContent), now: now)
            case .catchingUp?: send(delivery.dispatch(readsContent: readsContent), of: guild, to: session)
            case .attaching?, .left?, nil: break
            }
        }
    }

    func deliver(_ event: Event, _ number: EventNumber?, toUserOf session: Session) {
        guard sessions[session.id] === session else { return }
        if !event.type.isEmpty, event.intents == 0 || event.intents & session.intents != 0 {
            var delivery = Delivery(event, number: number)
            session.dispatch(delivery.dispatch(readsContent: true), now: now)
        }
        guard let change = event.change else { return }
        apply(change, to: session)
        // The change took effect at this point of the session, whether the event was sent or not.
        if let number { session.journal?.took(.user(session.userID), number, session) }
    }

    private func apply(_ change: ViewChange, to session: Session) {
        switch change {
        case .guildJoined(let guild):
            guard session.serves(guild) else { return }
            if case .left? = session.guilds[guild] { left(session, guild) }
            guard session.guilds[guild] == nil else { return }
            session.guilds[guild] = .attaching(after: nil)
            attach(session, to: .guild(guild))
            note(session, .guild(guild))
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

import Domain
import Identity
import NIOCore
import Wire

/// Sessions that have moved here and miss events: those up to the snapshot are fetched, and what comes after it waits.
extension SessionHost {
    /// Fetches what the session misses up to `number`, if anything.
    func catchUp(
        _ session: Session, _ root: RootEntity, from progress: Session.GuildProgress, through number: EventNumber
    ) -> Session.GuildProgress {
        guard case .attaching(let after?) = progress, after < number else { return .live }
        source.fetch(root, after: after, through: number, tag: makeTag(session, root))
        return .catchingUp(after: after, held: [])
    }

    /// Finds the channels that appeared or vanished for a session while it moved.
    func compareChannels(of session: Session, _ guild: GuildID, _ audience: GuildAudience) {
        guard var seen = session.seen[guild], let group = audience.visibilityClass(of: session) else { return }
        for channel in audience.view.channels {
            switch (seen.channels.contains(channel.id), group.sees(channel.id, of: audience.view)) {
            case (false, true): seen.appeared.append(channel)
            case (true, false): seen.vanished.append(channel)
            default: break
            }
        }
        session.seen[guild] = seen
    }

    func received(fetched events: [NumberedEvent], of root: RootEntity, tag: UInt64) {
        guard let (session, followed) = claim(tag) else { return }
        switch root {
        case .user:
            guard case .catchingUp(let after, _) = session.userProgress else { return }
            session.userProgress = .live
            let held = session.heldUserEvents
            session.heldUserEvents = []
            for (event, number) in SessionHost.ascending(events, after: after) + held {
                deliver(event, number, toUserOf: session)
            }
            note(session, root)
        case .guild(let guild):
            guard case .catchingUp(let after, let held)? = session.guilds[guild], let audience = followed.audience
            else { return }
            session.guilds[guild] = .live
            deliver(missed: SessionHost.ascending(events, after: after), of: guild, to: session, audience)
            for dispatch in held { session.dispatch(dispatch, now: now) }
            note(session, root)
        }
    }

    /// Each event once, and none that the session has had.
    private static func ascending(
        _ events: [NumberedEvent], after: EventNumber
    ) -> [(event: Event, number: EventNumber?)] {
        var last = after
        return events.compactMap { numbered in
            guard numbered.number > last else { return nil }
            last = numbered.number
            return (numbered.event, numbered.number)
        }
    }

    /// Events that a session had missed before its snapshot. The view has advanced already: it tells what the session
    /// may read of them.
    private func deliver(
        missed events: [(event: Event, number: EventNumber?)], of guild: GuildID, to session: Session,
        _ audience: GuildAudience
    ) {
        let seen = session.seen.removeValue(forKey: guild)
        var created: Set<ChannelID> = []
        for (event, number) in events where !event.type.isEmpty {
            var readsContent = audience.receipt(of: event, by: session)
            switch event.change {
            // By its snapshot the session is a member: a removal before it was followed by a return.
            case .memberRemoved(session.userID)?: continue
            // No view has the channel any more.
            case .channelDeleted(let channel)?:
                if seen?.channels.contains(channel) == true, session.intents & event.intents != 0 {
                    readsContent = true
                }
            case .channel(let channel)? where readsContent != nil && event.type == "CHANNEL_CREATE":
                created.insert(channel.id)
            default: break
            }
            guard let readsContent else { continue }
            var delivery = Delivery(event, number: number)
            session.dispatch(delivery.dispatch(readsContent: readsContent), now: now)
        }
        if let seen { tell(session, of: seen, in: guild, except: created) }
    }

    /// Channels that came or went while the session moved.
    private func tell(
        _ session: Session, of seen: Session.SeenChannels, in guild: GuildID, except created: Set<ChannelID>
    ) {
        guard session.intents & Intents.guilds != 0 else { return }
        func tell(_ type: String, _ channel: ChannelView, hasAppeared: Bool) {
            let payload = SessionPayloads.channel(channel, in: guild)
            let cause = Dispatch.Cause.shift(guild, channel.id, hasAppeared: hasAppeared)
            session.dispatch(Dispatch(type: type, payload: payload, cause: cause), now: now)
        }
        for channel in seen.vanished { tell("CHANNEL_DELETE", channel, hasAppeared: false) }
        for channel in seen.appeared where !created.contains(channel.id) {
            tell("CHANNEL_CREATE", channel, hasAppeared: true)
        }
    }

    /// A session that misses no event may still have been cut off in the midst of what one event showed and hid.
    func caughtUp(_ session: Session, _ guild: GuildID) {
        if let seen = session.seen.removeValue(forKey: guild) { tell(session, of: seen, in: guild, except: []) }
    }
}

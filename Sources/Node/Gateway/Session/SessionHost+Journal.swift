import Identity
import Wire

/// What a journal must know of a session beyond its deliveries: what it follows, and what it sees.
extension SessionHost {
    /// How far the session is with an entity, or what it sees of it, has changed.
    func note(_ session: Session, _ root: RootEntity) {
        session.settledSequence = session.sequence
        guard let journal = session.journal else { return }
        journal.changed(root, journaled(session, root), session)
    }

    private func journaled(_ session: Session, _ root: RootEntity) -> JournaledRoot? {
        let progress: Session.GuildProgress?
        switch root {
        case .user: progress = session.userProgress
        case .guild(let guild): progress = session.guilds[guild]
        }
        guard let progress else { return nil }
        let record = SessionRecord.root(root, progress) { roots[$0]?.position }
        var seen: [ChannelID]?
        if case .guild(let guild) = root, record.after != nil { seen = self.seen(by: session, of: guild) }
        return JournaledRoot(after: record.after, seen: seen, isLive: record.isLive)
    }

    /// What sessions see of a guild may be different: told once for each visibility class.
    func noteSight(_ effect: GuildView.Effect, _ guild: GuildID, _ audience: GuildAudience) {
        switch effect {
        case .member(let user):
            for session in audience.sessions(of: user) where isAttached(session, guild) { note(session, .guild(guild)) }
        case .permissions:
            for group in audience.classes.values { noteSight(of: group, guild, audience) }
        case .nothing, .memberRemoved, .deleted: break
        }
    }

    private func noteSight(of group: VisibilityClass, _ guild: GuildID, _ audience: GuildAudience) {
        var state: JournaledRoot?
        for session in group.sessions {
            guard case .live? = session.guilds[guild] else { continue }
            session.settledSequence = session.sequence
            guard let journal = session.journal else { continue }
            let known =
                state
                ?? JournaledRoot(
                    after: roots[.guild(guild)]?.position,
                    seen: audience.view.channels.map(\.id).filter { group.sees($0, of: audience.view) }, isLive: true)
            state = known
            journal.changed(.guild(guild), known, session)
        }
    }
}

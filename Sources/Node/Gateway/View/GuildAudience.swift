import Domain
import Identity
import NIOCore
import Wire

/// One guild on one loop: its view, its sessions in visibility classes, and who gets an event. Confined to the loop.
final class GuildAudience {
    private(set) var view: GuildView
    private(set) var classes: [GuildView.ClassKey: VisibilityClass] = [:]
    private var classOf: [ObjectIdentifier: VisibilityClass] = [:]
    private var byUser: [UserID: [Session]] = [:]

    init(_ snapshot: GuildSnapshot) { view = GuildView(snapshot) }

    var isEmpty: Bool { classOf.isEmpty }
    var sessions: [Session] { byUser.values.flatMap { $0 } }

    func sessions(of user: UserID) -> [Session] { byUser[user] ?? [] }

    func add(_ session: Session, member: MemberView) {
        guard classOf[ObjectIdentifier(session)] == nil else { return }
        view.add(member)
        byUser[session.userID, default: []].append(session)
        place(session)
    }

    func remove(_ session: Session) {
        // Without a class is a session whose member is gone.
        if let old = classOf.removeValue(forKey: ObjectIdentifier(session)) {
            old.remove(session)
            if old.sessions.isEmpty { classes[old.key] = nil }
        }
        byUser[session.userID]?.removeAll { $0 === session }
        if byUser[session.userID]?.isEmpty == true {
            byUser[session.userID] = nil
            view.remove(session.userID)
        }
    }

    func visibilityClass(of session: Session) -> VisibilityClass? { classOf[ObjectIdentifier(session)] }

    private func place(_ session: Session) {
        guard let key = view.classKey(session.userID) else { return }
        let target = classes[key] ?? VisibilityClass(key: key)
        classes[key] = target
        target.add(session)
        classOf[ObjectIdentifier(session)] = target
    }

    /// Puts sessions into their classes again: of one user, or of all when keys of all may be different.
    private func replace(_ user: UserID?) {
        if let user {
            for session in sessions(of: user) {
                guard let old = classOf.removeValue(forKey: ObjectIdentifier(session)) else { continue }
                old.remove(session)
                if old.sessions.isEmpty { classes[old.key] = nil }
                place(session)
            }
            return
        }
        classes.removeAll(keepingCapacity: true)
        classOf.removeAll(keepingCapacity: true)
        for session in sessions { place(session) }
    }

    /// What sessions see differently after a change: channels that appeared or vanished for them.
    struct Shift {
        var session: Session
        var appeared: [ChannelView]
        var vanished: [ChannelView]
    }

    /// Advances the view.
    ///
    /// - Returns: the effect, and the channels that come or go for sessions by it.
    func apply(_ change: ViewChange) -> (effect: GuildView.Effect, shifts: [Shift]) {
        let oldView = view
        let effect = view.apply(change)
        let affected: [Session]
        switch effect {
        case .permissions: affected = sessions
        case .member(let user): affected = sessions(of: user)
        case .nothing, .memberRemoved, .deleted: return (effect, [])
        }
        let before = affected.map { classOf[ObjectIdentifier($0)] }
        if case .member(let user) = effect { replace(user) } else { replace(nil) }
        // One comparison for each pair of classes, whatever the number of sessions.
        var known: [ClassPair: (appeared: [ChannelView], vanished: [ChannelView])] = [:]
        var shifts: [Shift] = []
        for (session, old) in zip(affected, before) {
            guard let old, let new = classOf[ObjectIdentifier(session)] else { continue }
            let pair = ClassPair(old: ObjectIdentifier(old), new: ObjectIdentifier(new))
            let difference = known[pair] ?? compare(old, oldView, new)
            known[pair] = difference
            if !difference.appeared.isEmpty || !difference.vanished.isEmpty {
                shifts.append(
                    Shift(session: session, appeared: difference.appeared, vanished: difference.vanished))
            }
        }
        return (effect, shifts)
    }

    private struct ClassPair: Hashable {
        var old: ObjectIdentifier
        var new: ObjectIdentifier
    }

    /// Channels that are in both views, and visible in one only. Those made or deleted have events of their own.
    private func compare(
        _ old: VisibilityClass, _ oldView: GuildView, _ new: VisibilityClass
    ) -> (appeared: [ChannelView], vanished: [ChannelView]) {
        var appeared: [ChannelView] = []
        var vanished: [ChannelView] = []
        for channel in oldView.channels {
            guard let present = view.channel(channel.id) else { continue }
            let saw = oldView.permissions(old.key, in: channel).contains(.viewChannel)
            let sees = new.sees(channel.id, of: view)
            if saw && !sees { vanished.append(present) }
            if !saw && sees { appeared.append(present) }
        }
        return (appeared, vanished)
    }

    /// Whether the session asked for the event; one that is about its own member it gets in any case.
    private static func isAsked(_ event: Event, by session: Session) -> Bool {
        if event.intents == 0 || session.intents & event.intents != 0 { return true }
        if case .member(let member) = event.change { return member.userID == session.userID }
        return false
    }

    private static func readsContent(of event: Event, _ session: Session) -> Bool {
        session.intents & Intents.messageContent != 0 || event.contentReaders.contains(session.userID)
    }

    /// Calls `body` with each session that gets the event, and whether it may read content.
    func recipients(of event: Event, _ body: (Session, _ readsContent: Bool) -> Void) {
        func consider(_ session: Session) {
            guard GuildAudience.isAsked(event, by: session) else { return }
            body(session, GuildAudience.readsContent(of: event, session))
        }
        switch event.audience {
        case .root:
            for group in classes.values { for session in group.sessions { consider(session) } }
        case .user(let user):
            for session in sessions(of: user) { consider(session) }
        case .channel(let channel):
            let needed = Permissions(rawValue: event.neededPermissions).union(.viewChannel)
            for group in classes.values where group.permissions(in: channel, of: view).isSuperset(of: needed) {
                for session in group.sessions { consider(session) }
            }
        }
    }

    /// Whether this one session gets the event, and may read its content; `nil` when it does not get it.
    func receipt(of event: Event, by session: Session) -> Bool? {
        guard let group = classOf[ObjectIdentifier(session)], GuildAudience.isAsked(event, by: session) else {
            return nil
        }
        switch event.audience {
        case .root: break
        case .user(let user): guard user == session.userID else { return nil }
        case .channel(let channel):
            let needed = Permissions(rawValue: event.neededPermissions).union(.viewChannel)
            guard group.permissions(in: channel, of: view).isSuperset(of: needed) else { return nil }
        }
        return GuildAudience.readsContent(of: event, session)
    }
}

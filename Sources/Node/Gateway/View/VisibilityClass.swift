import Domain
import Identity
import Wire

/// The sessions of one loop that see the same of a guild; what they see is computed once for all (DESIGN §10).
final class VisibilityClass {
    let key: GuildView.ClassKey
    private(set) var sessions: [Session] = []
    private var channels: [ChannelID: Permissions] = [:]

    init(key: GuildView.ClassKey) { self.key = key }

    func add(_ session: Session) { sessions.append(session) }

    func remove(_ session: Session) {
        guard let index = sessions.firstIndex(where: { $0 === session }) else { return }
        sessions.swapAt(index, sessions.count - 1)
        sessions.removeLast()
    }

    /// None for a channel that does not exist.
    func permissions(in channel: ChannelID, of view: GuildView) -> Permissions {
        if let known = channels[channel] { return known }
        let computed = view.channel(channel).map { view.permissions(key, in: $0) } ?? []
        channels[channel] = computed
        return computed
    }

    func sees(_ channel: ChannelID, of view: GuildView) -> Bool {
        permissions(in: channel, of: view).contains(.viewChannel)
    }
}

import Domain
import Identity
import NIOCore
import Wire

/// What a loop keeps of a guild to know who sees what: owner, roles, channels with overwrites, and the members that
/// are users of its own sessions. A value without sessions; it advances by the changes that come with the events.
struct GuildView {
    let id: GuildID
    private(set) var owner: UserID
    private(set) var roles: [RoleID: Permissions]
    /// In the order of the snapshot, new ones last.
    private(set) var channels: [ChannelView] {
        didSet { membersWithOverwrites = GuildView.membersWithOverwrites(in: channels) }
    }
    /// Those for whom some channel has an overwrite of their own.
    private var membersWithOverwrites: Set<Snowflake>
    /// Without their JSON, which only snapshots need.
    private(set) var members: [UserID: MemberView] = [:]

    init(_ snapshot: GuildSnapshot) {
        id = snapshot.id
        owner = snapshot.owner
        roles = Dictionary(
            snapshot.roles.map { ($0.id, Permissions(rawValue: $0.permissions)) }, uniquingKeysWith: { $1 })
        channels = snapshot.channels.map(GuildView.kept)
        membersWithOverwrites = GuildView.membersWithOverwrites(in: channels)
    }

    /// A channel as it is kept: of the message that it came in, no more than its own bytes.
    private static func kept(_ channel: ChannelView) -> ChannelView {
        var channel = channel
        channel.json = channel.json.compacted()
        return channel
    }

    private static func membersWithOverwrites(in channels: [ChannelView]) -> Set<Snowflake> {
        Set(channels.lazy.flatMap(\.overwrites).filter(\.isMember).map(\.id))
    }

    /// What a change means for the classes built on the view.
    enum Effect: Hashable {
        case nothing
        /// Who sees what may be different, for all.
        case permissions
        /// One member's roles are different.
        case member(UserID)
        case memberRemoved(UserID)
        case deleted
    }

    mutating func apply(_ change: ViewChange) -> Effect {
        switch change {
        case .owner(let user):
            owner = user
            return .permissions
        case .role(let role):
            let permissions = Permissions(rawValue: role.permissions)
            guard roles.updateValue(permissions, forKey: role.id) != permissions else { return .nothing }
            return .permissions
        case .roleDeleted(let role):
            roles[role] = nil
            for (user, member) in members where member.roles.contains(role) {
                members[user]?.roles.removeAll { $0 == role }
            }
            return .permissions
        case .channel(let channel):
            guard let index = channels.firstIndex(where: { $0.id == channel.id }) else {
                channels.append(GuildView.kept(channel))
                return .permissions
            }
            let isSame = channels[index].overwrites == channel.overwrites
            channels[index] = GuildView.kept(channel)
            return isSame ? .nothing : .permissions
        case .channelDeleted(let channel):
            channels.removeAll { $0.id == channel }
            return .permissions
        case .member(let member):
            guard let old = members[member.userID] else { return .nothing }
            add(member)
            return Set(old.roles) == Set(member.roles) ? .nothing : .member(member.userID)
        case .memberRemoved(let user):
            return members.removeValue(forKey: user) == nil ? .nothing : .memberRemoved(user)
        case .guildDeleted: return .deleted
        case .guildJoined, .guildLeft, .tokensRevoked: return .nothing
        }
    }

    /// The member of one of the loop's own sessions.
    mutating func add(_ member: MemberView) {
        var member = member
        member.json = ByteBuffer()
        members[member.userID] = member
    }
    mutating func remove(_ user: UserID) { members[user] = nil }

    func channel(_ id: ChannelID) -> ChannelView? { channels.first { $0.id == id } }

    /// What tells apart who sees what: members with equal keys see the same.
    struct ClassKey: Hashable {
        var isOwner: Bool
        /// Ascending, without those that no longer exist.
        var roles: [RoleID]
        /// Set when a channel has an overwrite for this very member.
        var member: UserID?
    }

    func classKey(_ user: UserID) -> ClassKey? {
        guard let member = members[user] else { return nil }
        return ClassKey(
            isOwner: user == owner, roles: member.roles.filter { roles[$0] != nil }.sorted(),
            member: membersWithOverwrites.contains(user.snowflake) ? user : nil)
    }

    func basePermissions(_ key: ClassKey) -> Permissions {
        Permissions.base(
            isOwner: key.isOwner, everyone: roles[RoleID(id.snowflake)] ?? [],
            roles: key.roles.lazy.compactMap { roles[$0] })
    }

    func permissions(_ key: ClassKey, in channel: ChannelView) -> Permissions {
        basePermissions(key).applying(
            channel.overwrites, everyone: RoleID(id.snowflake), roles: key.roles,
            user: key.member ?? UserID(rawValue: 0)
        ).withImplicitDenials
    }
}

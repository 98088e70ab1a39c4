import Domain
import Identity
import NIOCore
import Wire

/// Emits the events of guilds, in Discord's shapes ("Gateway Events"), with what gateways learn by them.
struct GuildEvents {
    let rows: GuildRows

    init(_ rows: GuildRows) { self.rows = rows }

    private func emit(
        _ type: String, _ guild: GuildID, audience: Event.Audience = .root, intents: UInt64 = Intents.guilds,
        change: ViewChange? = nil, neededPermissions: Permissions = [], _ write: (inout JSONWriter) -> Void
    ) {
        var writer = JSONWriter()
        writer.object(write)
        rows.transaction.emit(
            Event(
                type: type, root: .guild(guild), audience: audience, intents: intents, payload: writer.buffer,
                change: change, neededPermissions: neededPermissions.rawValue))
    }

    // MARK: Guild

    func guildUpdated(_ guild: GuildAggregate, isNewOwner: Bool = false) {
        emit("GUILD_UPDATE", guild.id, change: isNewOwner ? .owner(guild.record.ownerID) : nil) {
            $0.guildMembers(guild)
        }
    }

    func guildDeleted(_ guild: GuildID) {
        emit("GUILD_DELETE", guild, change: .guildDeleted) { $0.member("id", guild) }
    }

    // MARK: Channels

    func channelCreated(_ channel: Channel, in guild: GuildAggregate) {
        emit(
            "CHANNEL_CREATE", guild.id, audience: .channel(channel.id),
            change: .channel(guild.view(of: channel, lastMessage: nil))
        ) { $0.channelMembers(channel, guild: guild.id, lastMessage: nil) }
    }

    func channelUpdated(_ channel: Channel, in guild: GuildAggregate) throws {
        let last = try rows.lastMessageID(of: channel.id, in: guild.id)
        emit(
            "CHANNEL_UPDATE", guild.id, audience: .channel(channel.id),
            change: .channel(guild.view(of: channel, lastMessage: last))
        ) { $0.channelMembers(channel, guild: guild.id, lastMessage: last) }
    }

    func channelDeleted(_ channel: Channel, lastMessage: MessageID?, in guild: GuildAggregate) {
        emit("CHANNEL_DELETE", guild.id, audience: .channel(channel.id), change: .channelDeleted(channel.id)) {
            $0.channelMembers(channel, guild: guild.id, lastMessage: lastMessage)
        }
    }

    // MARK: Roles

    func roleCreated(_ role: Role, in guild: GuildID) { roleChanged("GUILD_ROLE_CREATE", role, guild) }
    func roleUpdated(_ role: Role, in guild: GuildID) { roleChanged("GUILD_ROLE_UPDATE", role, guild) }

    private func roleChanged(_ type: String, _ role: Role, _ guild: GuildID) {
        emit(type, guild, change: .role(role.view)) {
            $0.member("guild_id", guild)
            $0.name("role")
            $0.role(role)
        }
    }

    func roleDeleted(_ role: RoleID, in guild: GuildID) {
        emit("GUILD_ROLE_DELETE", guild, change: .roleDeleted(role)) {
            $0.member("guild_id", guild)
            $0.member("role_id", role)
        }
    }

    // MARK: Members

    func memberAdded(_ member: Member, to guild: GuildAggregate) {
        emit(
            "GUILD_MEMBER_ADD", guild.id, intents: Intents.guildMembers, change: .member(guild.view(of: member))
        ) {
            $0.member("guild_id", guild.id)
            $0.memberMembers(member, of: guild)
        }
    }

    func memberUpdated(_ member: Member, of guild: GuildAggregate) {
        emit(
            "GUILD_MEMBER_UPDATE", guild.id, intents: Intents.guildMembers, change: .member(guild.view(of: member))
        ) {
            $0.member("guild_id", guild.id)
            $0.memberMembers(member, of: guild)
        }
    }

    func memberRemoved(_ profile: UserProfile, from guild: GuildID) {
        emit("GUILD_MEMBER_REMOVE", guild, intents: Intents.guildMembers, change: .memberRemoved(profile.id)) {
            $0.member("guild_id", guild)
            $0.member("user", user: profile)
        }
    }

    // MARK: Invites

    func inviteCreated(_ invite: Invite) {
        emit(
            "INVITE_CREATE", invite.guildID, audience: .channel(invite.channelID), intents: Intents.guildInvites,
            neededPermissions: .manageChannels
        ) {
            $0.member("guild_id", invite.guildID)
            $0.member("channel_id", invite.channelID)
            $0.member("code", invite.code.description)
            $0.member("type", 0)
            $0.member("inviter", user: invite.inviter)
            $0.member("expires_at", invite.expiresAt)
            $0.inviteMetadataMembers(invite)
        }
    }

    func inviteDeleted(_ invite: Invite) {
        emit(
            "INVITE_DELETE", invite.guildID, audience: .channel(invite.channelID), intents: Intents.guildInvites,
            neededPermissions: .manageChannels
        ) {
            $0.member("guild_id", invite.guildID)
            $0.member("channel_id", invite.channelID)
            $0.member("code", invite.code.description)
        }
    }
}

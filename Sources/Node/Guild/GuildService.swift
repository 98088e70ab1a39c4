import Domain
import Identity
import NIOCore
import Wire

/// Guilds with their channels, roles, members, invites and messages, at the slot of the guild's id.
public enum GuildService: SlotService {
    public static let operations: [String: OperationHandler] = [
        GuildOperations.operations, ChannelOperations.operations, RoleOperations.operations,
        MemberOperations.operations, InviteOperations.operations, BotOperations.operations,
        MessageOperations.operations, RepeatedReplies.operations,
    ].reduce(into: [:]) { all, some in
        all.merge(some) { _, _ in preconditionFailure("two handlers for one operation: a mistake in this list") }
    }

    public static func apply(_ effect: Effect, in transaction: any SlotTransaction) throws -> Bool {
        guard case .profileChanged(let guildID, let profile) = effect else { return false }
        let rows = GuildRows(transaction)
        guard let guild = try rows.guild(guildID), var member = try rows.member(profile.id, of: guildID),
            member.profile.version < profile.version
        else { return true }
        member.profile = profile
        rows.put(member, of: guildID)
        GuildEvents(rows).memberUpdated(member, of: guild)
        return true
    }

    public static func perform(_ work: Work, in transaction: any SlotTransaction) throws -> Bool {
        guard case .deleteGuild(let guild, let after) = work else { return false }
        try GuildDeletion(GuildRows(transaction)).removeMembers(of: guild, after: after)
        return true
    }

    public static func snapshot(
        of root: RootEntity, for user: UserID, in transaction: any SlotTransaction
    ) throws -> ByteBuffer? {
        guard case .guild(let id) = root else { return nil }
        let rows = GuildRows(transaction)
        guard let guild = try rows.guild(id), let member = try rows.member(user, of: id) else { return nil }
        let memberCount = try rows.memberCount(of: id)
        let members =
            memberCount <= GuildLimits.membersInSnapshot
            ? try rows.members(of: id, limit: GuildLimits.membersInSnapshot) : [member]
        let channels = try guild.channelsInOrder.map {
            guild.view(of: $0, lastMessage: try rows.lastMessageID(of: $0.id, in: id))
        }
        return GuildSnapshot(
            id: id, owner: guild.record.ownerID, roles: guild.rolesInOrder.map(\.view), channels: channels,
            head: guild.createHead, members: members.map(guild.view(of:)), memberCount: memberCount
        ).encoded()
    }
}

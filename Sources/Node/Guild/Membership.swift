import Domain
import Identity
import Wire

/// Lets users into guilds and out of them; tells the gateways, and the users' slots by the outbox.
struct Membership {
    let rows: GuildRows

    init(_ rows: GuildRows) { self.rows = rows }

    /// Adds a user who is not a member.
    @discardableResult
    func add(_ profile: UserProfile, roles: [RoleID] = [], to guild: GuildAggregate) throws -> Member {
        let transaction = rows.transaction
        var member = Member(profile: profile, joinedAt: transaction.now)
        member.roles = roles
        try rows.add(member, to: guild.id)
        GuildEvents(rows).memberAdded(member, to: guild)
        transaction.send(
            .membershipAdded(user: profile.id, guild: guild.id, joinedAt: member.joinedAt), to: profile.id.slot)
        return member
    }

    /// Removes a member, and with a bot the role that came with it.
    func remove(_ member: Member, from guild: inout GuildAggregate) throws {
        let transaction = rows.transaction
        let events = GuildEvents(rows)
        try rows.remove(member.userID, from: guild.id)
        events.memberRemoved(member.profile, from: guild.id)
        transaction.send(.membershipRemoved(user: member.userID, guild: guild.id), to: member.userID.slot)
        for role in guild.roles.values where role.botID == member.userID {
            try RoleDeletion(rows).delete(role.id, from: &guild)
        }
    }
}

/// Deletes a role with what names it.
struct RoleDeletion {
    let rows: GuildRows

    init(_ rows: GuildRows) { self.rows = rows }

    /// Members keep the id in their rows, where it counts for nothing; channels lose its overwrites.
    func delete(_ role: RoleID, from guild: inout GuildAggregate) throws {
        rows.delete(role, in: &guild)
        for var channel in guild.channels.values where channel.removeOverwrite(role.snowflake) {
            rows.put(channel, in: &guild)
        }
        GuildEvents(rows).roleDeleted(role, in: guild.id)
    }
}

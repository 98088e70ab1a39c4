import Domain
import Identity
import Wire

/// Deletes a guild: what others see of it at once, its members step by step (DESIGN §6.8).
struct GuildDeletion {
    let rows: GuildRows

    init(_ rows: GuildRows) { self.rows = rows }

    /// Makes the guild gone and schedules the rest.
    func begin(_ guild: GuildAggregate) throws {
        let transaction = rows.transaction
        for channel in guild.channels.values {
            transaction.delete(.index, GuildKeys.guildOfChannel(channel.id))
            MessageRows(transaction).deleteAll(of: channel.id)
        }
        for invite in try rows.invites(of: guild.id) { rows.delete(invite) }
        rows.deleteRecord(of: guild.id)
        GuildEvents(rows).guildDeleted(guild.id)
        transaction.schedule(.deleteGuild(guild.id, after: UserID(rawValue: 0)))
    }

    /// Removes some members above `after`; with the last of them all that is left of the guild.
    func removeMembers(of guild: GuildID, after: UserID) throws {
        let transaction = rows.transaction
        let limit = GuildLimits.membersInDeletionStep
        let members = try rows.members(of: guild, after: after, limit: limit)
        for member in members {
            transaction.send(.membershipRemoved(user: member.userID, guild: guild), to: member.userID.slot)
            rows.deleteMember(member.userID, of: guild)
        }
        if members.count == limit, let last = members.last {
            transaction.schedule(.deleteGuild(guild, after: last.userID))
        } else {
            let all = GuildKeys.all(guild)
            transaction.deleteRange(.guild, from: all.from, upTo: all.upTo)
        }
    }
}

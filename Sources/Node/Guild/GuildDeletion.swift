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
            ChannelMessages.deleteAll(of: channel.id, in: transaction)
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
            try rows.remove(member.userID, from: guild)
        }
        if members.count == limit, let last = members.last {
            transaction.schedule(.deleteGuild(guild, after: last.userID))
        } else {
            let all = GuildKeys.all(guild)
            transaction.deleteRange(.guild, from: all.from, upTo: all.upTo)
        }
    }
}

/// What the rest of the guild needs of its messages.
enum ChannelMessages {
    /// Deletes the messages of a channel: their keys begin with the channel's id.
    static func deleteAll(of channel: ChannelID, in transaction: any SlotTransaction) {
        let from = withUnsafeBytes(of: channel.rawValue.bigEndian) { Array($0) }
        let upTo = from + [UInt8](repeating: 0xff, count: 32)
        transaction.deleteRange(.message, from: from, upTo: upTo)
    }
}

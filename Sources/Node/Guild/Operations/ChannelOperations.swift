import Domain
import Identity
import Wire

/// Operations on the channels of a guild.
enum ChannelOperations {
    static let operations: [String: OperationHandler] = [
        "list_guild_channels": list,
        "create_guild_channel": ChannelCreation.create,
        "bulk_update_guild_channels": ChannelReordering.reorder,
        "get_channel": get,
        "update_channel": ChannelUpdate.update,
        "delete_channel": delete,
        "set_channel_permission_overwrite": OverwriteOperations.set,
        "delete_channel_permission_overwrite": OverwriteOperations.delete,
    ]

    /// The name that a channel gets: text channels are written in lower case, with dashes for spaces.
    static func name(_ text: String, for kind: Channel.Kind) -> String {
        let name = text.trimmed
        guard kind == .text else { return name }
        return name.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: "-")
    }

    /// `GET /guilds/{guild_id}/channels`: all of them, as Discord lists also those that the actor may not view.
    static func list(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction)
        let channels = try access.guild.channelsInOrder.map {
            ($0, try access.rows.lastMessageID(of: $0.id, in: access.guild.id))
        }
        return .reply(
            .json {
                $0.array { json in
                    for (channel, last) in channels {
                        json.channel(channel, guild: access.guild.id, lastMessage: last)
                    }
                }
            })
    }

    /// `GET /channels/{channel_id}`.
    static func get(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try ChannelAccess(request, transaction)
        return .reply(try reply(200, access.channel, access.access))
    }

    static func reply(_ status: Int, _ channel: Channel, _ access: GuildAccess) throws -> RestReply {
        let last = try access.rows.lastMessageID(of: channel.id, in: access.guild.id)
        return .json(status) { $0.channel(channel, guild: access.guild.id, lastMessage: last) }
    }

    static func replyOnce(_ status: Int, _ channel: Channel, _ access: GuildAccess) throws -> Outcome {
        .replyOnce(
            try reply(status, channel, access), again: RepeatedReplies.reference(to: channel, status: status))
    }

    /// `DELETE /channels/{channel_id}`: with its messages and invites; the channels of a category stay without it.
    static func delete(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try ChannelAccess(request, transaction)
        try access.require(.manageChannels)
        let (rows, channel, events) = (access.rows, access.channel, access.access.events)
        var guild = access.guild
        let reply = try reply(200, channel, access.access)
        let last = try rows.lastMessageID(of: channel.id, in: guild.id)
        for invite in try rows.invites(of: guild.id) where invite.channelID == channel.id {
            rows.delete(invite)
            events.inviteDeleted(invite)
        }
        events.channelDeleted(channel, lastMessage: last, in: guild)
        rows.delete(channel.id, in: &guild)
        MessageRows(transaction).deleteAll(of: channel.id)
        for var child in guild.channelsInOrder where child.parentID == channel.id {
            child.parentID = nil
            rows.put(child, in: &guild)
            try events.channelUpdated(child, in: guild)
        }
        let record = guild.record.without(channel.id)
        if record != guild.record {
            rows.put(record, in: &guild)
            events.guildUpdated(guild)
        }
        return .reply(reply)
    }
}

extension GuildRecord {
    /// The record as it is when a channel is gone that it may name.
    fileprivate func without(_ channel: ChannelID) -> GuildRecord {
        var record = self
        func clear(_ field: inout ChannelID?) { if field == channel { field = nil } }
        clear(&record.afkChannelID)
        clear(&record.systemChannelID)
        clear(&record.rulesChannelID)
        clear(&record.publicUpdatesChannelID)
        clear(&record.safetyAlertsChannelID)
        return record
    }
}

import Domain
import Identity
import Wire

extension JSONWriter {
    /// GuildChannelResponse of the OpenAPI document.
    ///
    /// - Parameter guild: left out in GUILD_CREATE, as Discord does.
    mutating func channel(_ channel: Channel, guild: GuildID?, lastMessage: MessageID?) {
        object { $0.channelMembers(channel, guild: guild, lastMessage: lastMessage) }
    }

    /// A channel object without its braces.
    mutating func channelMembers(_ channel: Channel, guild: GuildID?, lastMessage: MessageID?) {
        member("id", channel.id)
        member("type", channel.kind.rawValue)
        if let guild { member("guild_id", guild) }
        member("name", channel.name)
        member("position", channel.position)
        member("parent_id", channel.parentID)
        member("flags", channel.flags)
        member("nsfw", channel.isNSFW)
        member(
            "permission_overwrites",
            array: { json in
                for overwrite in channel.overwrites { json.overwrite(overwrite) }
            })
        guard channel.kind != .category else { return }
        member("topic", channel.topic)
        member("last_message_id", lastMessage)
        memberNull("last_pin_timestamp")
        member("rate_limit_per_user", channel.rateLimitPerUser)
        if let duration = channel.defaultAutoArchiveDuration {
            member("default_auto_archive_duration", duration)
        }
        if let limit = channel.defaultThreadRateLimitPerUser {
            member("default_thread_rate_limit_per_user", limit)
        }
    }

    private mutating func overwrite(_ overwrite: Overwrite) {
        object { json in
            json.member("id", UserID(overwrite.id))
            json.member("type", overwrite.isMember ? 1 : 0)
            json.member("allow", bits: overwrite.allow)
            json.member("deny", bits: overwrite.deny)
        }
    }
}

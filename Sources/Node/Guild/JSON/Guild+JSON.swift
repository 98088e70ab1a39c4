import Domain
import Identity
import NIOCore
import Wire

extension JSONWriter {
    /// The members that GuildResponse of the OpenAPI document and GUILD_CREATE share, without braces.
    mutating func guildMembers(_ guild: GuildAggregate) {
        let record = guild.record
        guildPreviewMembers(record)
        memberNull("home_header")
        memberNull("discovery_splash")
        member("owner_id", record.ownerID)
        memberNull("application_id")
        member("region", "deprecated")
        member("afk_channel_id", record.afkChannelID)
        member("afk_timeout", record.afkTimeout)
        member("system_channel_id", record.systemChannelID)
        member("system_channel_flags", record.systemChannelFlags)
        member("widget_enabled", false)
        memberNull("widget_channel_id")
        member(
            "roles",
            array: { json in
                for role in guild.rolesInOrder { json.role(role) }
            })
        member("default_message_notifications", record.defaultMessageNotifications)
        member("mfa_level", 0)
        member("explicit_content_filter", record.explicitContentFilter)
        memberNull("max_presences")
        member("max_members", GuildLimits.members)
        member("max_stage_video_channel_users", 50)
        member("max_video_channel_users", 25)
        member("premium_tier", 0)
        member("preferred_locale", record.preferredLocale)
        member("rules_channel_id", record.rulesChannelID)
        member("safety_alerts_channel_id", record.safetyAlertsChannelID)
        member("public_updates_channel_id", record.publicUpdatesChannelID)
        member("premium_progress_bar_enabled", record.isPremiumProgressBarEnabled)
        member("emojis", array: { _ in })
        member("stickers", array: { _ in })
        memberNull("incidents_data")
    }

    /// What an invite shows of its guild: InviteGuildResponse of the OpenAPI document, without braces.
    mutating func guildPreviewMembers(_ record: GuildRecord) {
        member("id", record.id)
        member("name", record.name)
        memberNull("icon")
        member("description", record.description)
        memberNull("splash")
        memberNull("banner")
        member("features", array: { _ in })
        member("verification_level", record.verificationLevel)
        memberNull("vanity_url_code")
        member("nsfw_level", 0)
        member("nsfw", false)
        member("premium_subscription_count", 0)
    }

    /// GuildResponse of the OpenAPI document.
    mutating func guild(_ guild: GuildAggregate) {
        object { $0.guildMembers(guild) }
    }

    /// How many members there are and how many of them are online. Sessions announce no presences to guilds yet, so
    /// nobody is seen online.
    mutating func approximateCounts(memberCount: Int) {
        member("approximate_member_count", memberCount)
        member("approximate_presence_count", 0)
    }
}

extension GuildAggregate {
    /// ``GuildSnapshot/head``: the members of GUILD_CREATE that are the same for every session, without braces.
    var createHead: ByteBuffer {
        var writer = JSONWriter(capacity: 4096)
        writer.object { json in
            json.guildMembers(self)
            json.member("stage_instances", array: { _ in })
            json.member("guild_scheduled_events", array: { _ in })
            json.member("soundboard_sounds", array: { _ in })
        }
        let object = writer.buffer
        // The writer put one brace on each side.
        return object.getSlice(at: object.readerIndex + 1, length: object.readableBytes - 2) ?? ByteBuffer()
    }

    /// What filtering needs of a member.
    func view(of member: Member) -> MemberView {
        var writer = JSONWriter()
        writer.member(member, of: self)
        return MemberView(
            userID: member.userID, roles: roleIDs(of: member), joinedAt: member.joinedAt, json: writer.buffer)
    }

    /// What filtering needs of a channel, and what GUILD_CREATE shows.
    func view(of channel: Channel, lastMessage: MessageID?) -> ChannelView {
        var writer = JSONWriter()
        writer.channel(channel, guild: nil, lastMessage: lastMessage)
        return ChannelView(id: channel.id, overwrites: channel.overwrites, json: writer.buffer)
    }
}

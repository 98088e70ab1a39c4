import Domain
import Identity
import Wire

/// `PATCH /guilds/{guild_id}`.
enum GuildUpdate {
    /// Seconds that Discord allows as `afk_timeout`.
    static let afkTimeouts = [60, 300, 900, 1800, 3600]

    struct Body: Decodable {
        var name: Field<String>
        var description: Field<String>
        var owner_id: UserID?
        var icon: Field<String>
        var verification_level: Field<Int>
        var default_message_notifications: Field<Int>
        var explicit_content_filter: Field<Int>
        var preferred_locale: Field<String>
        var afk_channel_id: Field<ChannelID>
        var afk_timeout: Field<Int>
        var system_channel_id: Field<ChannelID>
        var system_channel_flags: Field<Int>
        var rules_channel_id: Field<ChannelID>
        var public_updates_channel_id: Field<ChannelID>
        var safety_alerts_channel_id: Field<ChannelID>
        var premium_progress_bar_enabled: Field<Bool>
    }

    static func update(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction)
        try access.require(.manageGuild)
        let body: Body = try request.decodeBody()
        try validate(body, in: access.guild)
        var record = access.guild.record
        apply(body, to: &record)
        let isNewOwner = try transferOwnership(body, by: access, in: &record)
        var guild = access.guild
        if record != guild.record {
            access.rows.put(record, in: &guild)
            access.events.guildUpdated(guild, isNewOwner: isNewOwner)
        }
        let updated = guild
        return .replyOnce(
            .json { $0.guild(updated) },
            again: ReplyReference(
                status: 200, operation: "get_guild", parameters: ["guild_id": guild.id.description]))
    }

    private static func validate(_ body: Body, in guild: GuildAggregate) throws {
        var validation = Validation()
        if case .null = body.name { validation.require(body.name.value, at: "name") }
        validation.length(body.name.value?.trimmed, in: 2...100, at: "name")
        validation.length(body.description.value, in: 0...300, at: "description")
        validation.choice(body.verification_level.value, of: [0, 1, 2, 3, 4], at: "verification_level")
        validation.choice(
            body.default_message_notifications.value, of: [0, 1], at: "default_message_notifications")
        validation.choice(body.explicit_content_filter.value, of: [0, 1, 2], at: "explicit_content_filter")
        validation.choice(body.preferred_locale.value, of: Locales.all, at: "preferred_locale")
        validation.choice(body.afk_timeout.value, of: afkTimeouts, at: "afk_timeout")
        validation.number(body.system_channel_flags.value, in: 0...Int(Int32.max), at: "system_channel_flags")
        // The cluster stores no images yet: what is not even one is refused, the rest changes nothing.
        if let icon = body.icon.value, !icon.hasPrefix("data:image/") {
            validation.fail(at: "icon", code: "IMAGE_INVALID", message: "Invalid image data")
        }
        for (name, field) in [
            ("system_channel_id", body.system_channel_id), ("rules_channel_id", body.rules_channel_id),
            ("public_updates_channel_id", body.public_updates_channel_id),
            ("safety_alerts_channel_id", body.safety_alerts_channel_id),
        ] {
            if let id = field.value, guild.channels[id]?.kind != .text {
                validation.fail(
                    at: name, code: "CHANNEL_INVALID", message: "Channel is not a text channel of the guild")
            }
        }
        // There are no voice channels yet that one could be away in.
        if body.afk_channel_id.value != nil {
            validation.fail(
                at: "afk_channel_id", code: "CHANNEL_INVALID", message: "Channel is not a voice channel of the guild")
        }
        try validation.finish()
    }

    private static func apply(_ body: Body, to record: inout GuildRecord) {
        if let name = body.name.value { record.name = name.trimmed }
        record.description = body.description.applied(to: record.description).flatMap { $0.isEmpty ? nil : $0 }
        record.verificationLevel = body.verification_level.applied(to: record.verificationLevel, resettingTo: 0)
        record.defaultMessageNotifications = body.default_message_notifications.applied(
            to: record.defaultMessageNotifications, resettingTo: 0)
        record.explicitContentFilter = body.explicit_content_filter.applied(
            to: record.explicitContentFilter, resettingTo: 0)
        record.preferredLocale = body.preferred_locale.applied(to: record.preferredLocale, resettingTo: "en-US")
        record.afkChannelID = body.afk_channel_id.applied(to: record.afkChannelID)
        record.afkTimeout = body.afk_timeout.applied(to: record.afkTimeout, resettingTo: 300)
        record.systemChannelID = body.system_channel_id.applied(to: record.systemChannelID)
        record.systemChannelFlags = body.system_channel_flags.applied(to: record.systemChannelFlags, resettingTo: 0)
        record.rulesChannelID = body.rules_channel_id.applied(to: record.rulesChannelID)
        record.publicUpdatesChannelID = body.public_updates_channel_id.applied(to: record.publicUpdatesChannelID)
        record.safetyAlertsChannelID = body.safety_alerts_channel_id.applied(to: record.safetyAlertsChannelID)
        record.isPremiumProgressBarEnabled = body.premium_progress_bar_enabled.applied(
            to: record.isPremiumProgressBarEnabled, resettingTo: false)
    }

    /// - Returns: whether the guild gets another owner.
    private static func transferOwnership(
        _ body: Body, by access: GuildAccess, in record: inout GuildRecord
    ) throws -> Bool {
        guard let owner = body.owner_id, owner != record.ownerID else { return false }
        guard access.isOwner else { throw APIError.missingPermissions }
        guard let heir = try access.rows.member(owner, of: access.guild.id) else { throw APIError.unknownMember }
        guard !heir.profile.isBot else {
            throw APIError.invalidForm("owner_id", code: "GUILD_OWNER_BOT", message: "A bot cannot own the guild")
        }
        record.ownerID = owner
        return true
    }
}

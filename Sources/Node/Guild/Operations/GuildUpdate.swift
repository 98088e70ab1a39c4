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
        var ownerID: UserID?
        var icon: Field<String>
        var verificationLevel: Field<Int>
        var defaultMessageNotifications: Field<Int>
        var explicitContentFilter: Field<Int>
        var preferredLocale: Field<String>
        var afkChannelID: Field<ChannelID>
        var afkTimeout: Field<Int>
        var systemChannelID: Field<ChannelID>
        var systemChannelFlags: Field<Int>
        var rulesChannelID: Field<ChannelID>
        var publicUpdatesChannelID: Field<ChannelID>
        var safetyAlertsChannelID: Field<ChannelID>
        var premiumProgressBarEnabled: Field<Bool>

        enum CodingKeys: String, CodingKey {
            case name, description, icon
            case ownerID = "owner_id"
            case verificationLevel = "verification_level"
            case defaultMessageNotifications = "default_message_notifications"
            case explicitContentFilter = "explicit_content_filter"
            case preferredLocale = "preferred_locale"
            case afkChannelID = "afk_channel_id"
            case afkTimeout = "afk_timeout"
            case systemChannelID = "system_channel_id"
            case systemChannelFlags = "system_channel_flags"
            case rulesChannelID = "rules_channel_id"
            case publicUpdatesChannelID = "public_updates_channel_id"
            case safetyAlertsChannelID = "safety_alerts_channel_id"
            case premiumProgressBarEnabled = "premium_progress_bar_enabled"
        }
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
            again: RepeatedReplies.reference(to: updated, status: 200))
    }

    private static func validate(_ body: Body, in guild: GuildAggregate) throws {
        var validation = Validation()
        if case .null = body.name { validation.require(body.name.value, at: "name") }
        validation.length(body.name.value?.trimmed, in: 2...100, at: "name")
        validation.length(body.description.value, in: 0...300, at: "description")
        validation.choice(body.verificationLevel.value, of: [0, 1, 2, 3, 4], at: "verification_level")
        validation.choice(
            body.defaultMessageNotifications.value, of: [0, 1], at: "default_message_notifications")
        validation.choice(body.explicitContentFilter.value, of: [0, 1, 2], at: "explicit_content_filter")
        validation.choice(body.preferredLocale.value, of: Locales.all, at: "preferred_locale")
        validation.choice(body.afkTimeout.value, of: afkTimeouts, at: "afk_timeout")
        validation.number(body.systemChannelFlags.value, in: 0...Int(Int32.max), at: "system_channel_flags")
        // The cluster stores no images yet: what is not even one is refused, the rest changes nothing.
        if let icon = body.icon.value, !icon.hasPrefix("data:image/") {
            validation.fail(at: "icon", code: "IMAGE_INVALID", message: "Invalid image data")
        }
        for (name, field) in [
            ("system_channel_id", body.systemChannelID), ("rules_channel_id", body.rulesChannelID),
            ("public_updates_channel_id", body.publicUpdatesChannelID),
            ("safety_alerts_channel_id", body.safetyAlertsChannelID),
        ] {
            if let id = field.value, guild.channels[id]?.kind != .text {
                validation.fail(
                    at: name, code: "CHANNEL_INVALID", message: "Channel is not a text channel of the guild")
            }
        }
        // There are no voice channels yet that one could be away in.
        if body.afkChannelID.value != nil {
            validation.fail(
                at: "afk_channel_id", code: "CHANNEL_INVALID", message: "Channel is not a voice channel of the guild")
        }
        try validation.finish()
    }

    private static func apply(_ body: Body, to record: inout GuildRecord) {
        if let name = body.name.value { record.name = name.trimmed }
        record.description = body.description.applied(to: record.description).flatMap { $0.isEmpty ? nil : $0 }
        record.verificationLevel = body.verificationLevel.applied(to: record.verificationLevel, resettingTo: 0)
        record.defaultMessageNotifications = body.defaultMessageNotifications.applied(
            to: record.defaultMessageNotifications, resettingTo: 0)
        record.explicitContentFilter = body.explicitContentFilter.applied(
            to: record.explicitContentFilter, resettingTo: 0)
        record.preferredLocale = body.preferredLocale.applied(to: record.preferredLocale, resettingTo: "en-US")
        record.afkChannelID = body.afkChannelID.applied(to: record.afkChannelID)
        record.afkTimeout = body.afkTimeout.applied(to: record.afkTimeout, resettingTo: 300)
        record.systemChannelID = body.systemChannelID.applied(to: record.systemChannelID)
        record.systemChannelFlags = body.systemChannelFlags.applied(to: record.systemChannelFlags, resettingTo: 0)
        record.rulesChannelID = body.rulesChannelID.applied(to: record.rulesChannelID)
        record.publicUpdatesChannelID = body.publicUpdatesChannelID.applied(to: record.publicUpdatesChannelID)
        record.safetyAlertsChannelID = body.safetyAlertsChannelID.applied(to: record.safetyAlertsChannelID)
        record.isPremiumProgressBarEnabled = body.premiumProgressBarEnabled.applied(
            to: record.isPremiumProgressBarEnabled, resettingTo: false)
    }

    /// - Returns: whether the guild gets another owner.
    private static func transferOwnership(
        _ body: Body, by access: GuildAccess, in record: inout GuildRecord
    ) throws -> Bool {
        guard let owner = body.ownerID, owner != record.ownerID else { return false }
        guard access.isOwner else { throw APIError.missingPermissions }
        guard let heir = try access.rows.member(owner, of: access.guild.id) else { throw APIError.unknownMember }
        guard !heir.profile.isBot else {
            throw APIError.invalidForm("owner_id", code: "GUILD_OWNER_BOT", message: "A bot cannot own the guild")
        }
        record.ownerID = owner
        return true
    }
}

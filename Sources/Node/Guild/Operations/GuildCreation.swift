import Domain
import Identity
import Wire

/// `POST /guilds`: a guild with its owner, @everyone, and the channels that Discord gives it.
///
/// The body may bring roles and channels with ids of its own making, which its other parts refer to: the first role is
/// @everyone, whatever its id; real ids take their place.
enum GuildCreation {
    struct Body: Decodable {
        var name: String
        var verificationLevel: Int?
        var defaultMessageNotifications: Int?
        var explicitContentFilter: Int?
        var preferredLocale: String?
        var roles: [RoleBody]?
        var channels: [ChannelBody]?
        var systemChannelID: Snowflake64?
        var afkTimeout: Int?

        enum CodingKeys: String, CodingKey {
            case name, roles, channels
            case verificationLevel = "verification_level"
            case defaultMessageNotifications = "default_message_notifications"
            case explicitContentFilter = "explicit_content_filter"
            case preferredLocale = "preferred_locale"
            case systemChannelID = "system_channel_id"
            case afkTimeout = "afk_timeout"
        }
    }

    struct RoleBody: Decodable {
        var id: Snowflake64?
        var name: String?
        var permissions: Permissions?
        var color: Int?
        var hoist: Bool?
        var mentionable: Bool?
    }

    struct ChannelBody: Decodable {
        var id: Snowflake64?
        var type: Int?
        var name: String
        var topic: String?
        var nsfw: Bool?
        var rateLimitPerUser: Int?
        var parentID: Snowflake64?
        var permissionOverwrites: [OverwriteBody]?

        enum CodingKeys: String, CodingKey {
            case id, type, name, topic, nsfw
            case rateLimitPerUser = "rate_limit_per_user"
            case parentID = "parent_id"
            case permissionOverwrites = "permission_overwrites"
        }
    }

    static func create(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let actor = try request.requiredActor()
        let body: Body = try request.decodeBody()
        try validate(body)
        let rows = GuildRows(transaction)
        let id = GuildID(try transaction.mint())
        var record = GuildRecord(id: id, name: body.name.trimmed, ownerID: actor.userID)
        record.verificationLevel = body.verificationLevel ?? 0
        record.defaultMessageNotifications = body.defaultMessageNotifications ?? 0
        record.explicitContentFilter = body.explicitContentFilter ?? 0
        record.preferredLocale = body.preferredLocale ?? record.preferredLocale
        record.afkTimeout = body.afkTimeout ?? record.afkTimeout
        var guild = GuildAggregate(record: record, roles: [:], channels: [:])
        let roleIDs = try addRoles(body.roles ?? [], to: &guild, rows)
        let channelIDs = try addChannels(body.channels ?? [], roleIDs, to: &guild, rows)
        if let wanted = body.systemChannelID {
            record.systemChannelID = channelIDs[wanted.rawValue]
        } else if body.channels?.isEmpty ?? true {
            record.systemChannelID = guild.channelsInOrder.first { $0.kind == .text }?.id
        }
        rows.put(record, in: &guild)
        // Nobody watches a guild before it exists: the owner's sessions learn of it by their user's slot.
        let member = Member(profile: actor.profile, joinedAt: transaction.now)
        try rows.add(member, to: id)
        transaction.send(
            .membershipAdded(user: actor.userID, guild: id, joinedAt: member.joinedAt), to: actor.userID.slot)
        let created = guild
        return .replyOnce(
            .json(201) { $0.guild(created) },
            again: RepeatedReplies.reference(to: created, status: 201))
    }

    private static func validate(_ body: Body) throws {
        var validation = Validation()
        validation.length(body.name.trimmed, in: 2...100, at: "name")
        validation.choice(body.verificationLevel, of: [0, 1, 2, 3, 4], at: "verification_level")
        validation.choice(body.defaultMessageNotifications, of: [0, 1], at: "default_message_notifications")
        validation.choice(body.explicitContentFilter, of: [0, 1, 2], at: "explicit_content_filter")
        validation.choice(body.preferredLocale, of: Locales.all, at: "preferred_locale")
        validation.choice(body.afkTimeout, of: GuildUpdate.afkTimeouts, at: "afk_timeout")
        validation.count(body.roles?.count, in: 0...GuildLimits.roles, at: "roles")
        validation.count(body.channels?.count, in: 0...GuildLimits.channels, at: "channels")
        for (index, role) in (body.roles ?? []).enumerated() {
            validation.length(role.name, in: 1...100, at: ["roles", "\(index)", "name"])
        }
        for (index, channel) in (body.channels ?? []).enumerated() {
            validation.length(channel.name, in: 1...100, at: ["channels", "\(index)", "name"])
            validation.length(channel.topic, in: 0...1024, at: ["channels", "\(index)", "topic"])
            validation.choice(channel.type, of: [0, 4], at: "channels", "\(index)", "type")
            validation.number(
                channel.rateLimitPerUser, in: 0...GuildLimits.slowmode, at: "channels", "\(index)",
                "rate_limit_per_user")
            validation.count(
                channel.permissionOverwrites?.count, in: 0...GuildLimits.overwritesInBody, at: "channels", "\(index)",
                "permission_overwrites")
        }
        try validation.finish()
    }

    /// - Returns: the real ids by those of the body.
    private static func addRoles(
        _ bodies: [RoleBody], to guild: inout GuildAggregate, _ rows: GuildRows
    ) throws -> [UInt64: RoleID] {
        var ids: [UInt64: RoleID] = [:]
        var everyone = Role(
            id: guild.everyoneID, name: "@everyone", permissions: bodies.first?.permissions ?? .defaultEveryone,
            position: 0)
        everyone.isMentionable = bodies.first?.mentionable ?? false
        rows.put(everyone, in: &guild)
        if let id = bodies.first?.id { ids[id.rawValue] = everyone.id }
        for (index, body) in bodies.enumerated().dropFirst() {
            var role = Role(
                id: RoleID(try rows.transaction.mint()), name: body.name ?? "new role",
                permissions: body.permissions ?? everyone.permissions, position: index)
            role.color = (body.color ?? 0) & 0xff_ffff
            role.isHoisted = body.hoist ?? false
            role.isMentionable = body.mentionable ?? false
            rows.put(role, in: &guild)
            if let id = body.id { ids[id.rawValue] = role.id }
        }
        return ids
    }

    private static func addChannels(
        _ bodies: [ChannelBody], _ roleIDs: [UInt64: RoleID], to guild: inout GuildAggregate, _ rows: GuildRows
    ) throws -> [UInt64: ChannelID] {
        if bodies.isEmpty {
            let category = Channel(
                id: ChannelID(try rows.transaction.mint()), kind: .category, name: "Text Channels", position: 0)
            var general = Channel(
                id: ChannelID(try rows.transaction.mint()), kind: .text, name: "general", position: 0)
            general.parentID = category.id
            rows.put(category, in: &guild)
            rows.put(general, in: &guild)
            return [:]
        }
        var ids: [UInt64: ChannelID] = [:]
        for (index, body) in bodies.enumerated() {
            let kind = Channel.Kind(rawValue: body.type ?? 0) ?? .text
            var channel = Channel(
                id: ChannelID(try rows.transaction.mint()), kind: kind,
                name: ChannelOperations.name(body.name, for: kind), position: index)
            channel.topic = body.topic
            channel.isNSFW = body.nsfw ?? false
            channel.rateLimitPerUser = body.rateLimitPerUser ?? 0
            if let parent = body.parentID {
                guard let category = ids[parent.rawValue], guild.channels[category]?.kind == .category else {
                    throw APIError.invalidForm(
                        "channels", "\(index)", "parent_id", code: "CHANNEL_PARENT_INVALID",
                        message: "Category does not exist")
                }
                channel.parentID = category
            }
            channel.replaceOverwrites(
                (body.permissionOverwrites ?? []).map { overwrite in
                    Overwrite(
                        id: roleIDs[overwrite.id.rawValue]?.snowflake ?? Snowflake(rawValue: overwrite.id.rawValue),
                        isMember: overwrite.type == 1, allow: overwrite.allow?.rawValue ?? 0,
                        deny: overwrite.deny?.rawValue ?? 0)
                })
            rows.put(channel, in: &guild)
            if let id = body.id { ids[id.rawValue] = channel.id }
        }
        return ids
    }
}

import Domain
import Identity
import Wire

/// `POST /guilds/{guild_id}/channels`.
enum ChannelCreation {
    struct Body: Decodable {
        var name: String
        var type: Int?
        var position: Int?
        var topic: String?
        var nsfw: Bool?
        var rateLimitPerUser: Int?
        var parentID: ChannelID?
        var permissionOverwrites: [OverwriteBody]?
        var defaultAutoArchiveDuration: Int?
        var defaultThreadRateLimitPerUser: Int?

        enum CodingKeys: String, CodingKey {
            case name, type, position, topic, nsfw
            case rateLimitPerUser = "rate_limit_per_user"
            case parentID = "parent_id"
            case permissionOverwrites = "permission_overwrites"
            case defaultAutoArchiveDuration = "default_auto_archive_duration"
            case defaultThreadRateLimitPerUser = "default_thread_rate_limit_per_user"
        }
    }

    static func create(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        var access = try GuildAccess(request, transaction)
        try access.require(.manageChannels)
        let body: Body = try request.decodeBody()
        let kind = try validate(body)
        guard access.guild.channels.count < GuildLimits.channels else {
            throw APIError.maximum(30013, "guild channels", GuildLimits.channels)
        }
        var channel = Channel(
            id: ChannelID(try transaction.mint()), kind: kind, name: ChannelOperations.name(body.name, for: kind),
            position: body.position ?? nextPosition(for: kind, in: access.guild))
        channel.isNSFW = body.nsfw ?? false
        if kind == .text {
            channel.topic = body.topic.flatMap { $0.isEmpty ? nil : $0 }
            channel.rateLimitPerUser = body.rateLimitPerUser ?? 0
            channel.defaultAutoArchiveDuration = body.defaultAutoArchiveDuration
            channel.defaultThreadRateLimitPerUser = body.defaultThreadRateLimitPerUser
        }
        let parent = try body.parentID.map {
            try ChannelRules.category($0, for: channel, in: access.guild, at: "parent_id")
        }
        channel.parentID = parent?.id
        channel.replaceOverwrites(try overwrites(of: body, parent, access))
        access.rows.put(channel, in: &access.guild)
        access.events.channelCreated(channel, in: access.guild)
        return try ChannelOperations.replyOnce(201, channel, access)
    }

    /// The body's overwrites, which the actor must be able to grant; without any, those of the category.
    private static func overwrites(
        of body: Body, _ parent: Channel?, _ access: GuildAccess
    ) throws -> [Overwrite] {
        guard let bodies = body.permissionOverwrites else { return parent?.overwrites ?? [] }
        let overwrites = try ChannelRules.overwrites(bodies, in: access.guild)
        let changes = ChannelRules.changes(from: [], to: overwrites)
        try access.requireHeld(changes)
        // In a new channel only administrators may hand out the right over its overwrites.
        if changes.contains(.manageRoles) { try access.require(.administrator) }
        return overwrites
    }

    private static func validate(_ body: Body) throws(APIError) -> Channel.Kind {
        var validation = Validation()
        validation.length(body.name.trimmed, in: 1...100, at: "name")
        validation.length(body.topic, in: 0...ChannelRules.topicLength, at: "topic")
        validation.choice(body.type, of: [0, 4], at: "type")
        validation.number(body.position, in: 0...Int(Int32.max), at: "position")
        validation.number(body.rateLimitPerUser, in: 0...GuildLimits.slowmode, at: "rate_limit_per_user")
        validation.choice(
            body.defaultAutoArchiveDuration, of: ChannelRules.archiveDurations, at: "default_auto_archive_duration")
        validation.number(
            body.defaultThreadRateLimitPerUser, in: 0...GuildLimits.slowmode,
            at: "default_thread_rate_limit_per_user")
        try validation.finish()
        return Channel.Kind(rawValue: body.type ?? 0) ?? .text
    }

    /// Behind all others of its kind: clients sort categories and channels apart.
    private static func nextPosition(for kind: Channel.Kind, in guild: GuildAggregate) -> Int {
        let positions = guild.channels.values.lazy.filter { $0.kind == kind }.map(\.position)
        return positions.max().map { $0 == .max ? $0 : $0 + 1 } ?? 0
    }
}

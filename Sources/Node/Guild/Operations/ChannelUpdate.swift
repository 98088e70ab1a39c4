import Domain
import Identity
import Wire

/// `PATCH /channels/{channel_id}`.
enum ChannelUpdate {
    struct Body: Decodable {
        var name: Field<String>
        var type: Int?
        var position: Field<Int>
        var topic: Field<String>
        var nsfw: Field<Bool>
        var rateLimitPerUser: Field<Int>
        var parentID: Field<ChannelID>
        var permissionOverwrites: Field<[OverwriteBody]>
        var defaultAutoArchiveDuration: Field<Int>
        var defaultThreadRateLimitPerUser: Field<Int>

        enum CodingKeys: String, CodingKey {
            case name, type, position, topic, nsfw
            case rateLimitPerUser = "rate_limit_per_user"
            case parentID = "parent_id"
            case permissionOverwrites = "permission_overwrites"
            case defaultAutoArchiveDuration = "default_auto_archive_duration"
            case defaultThreadRateLimitPerUser = "default_thread_rate_limit_per_user"
        }
    }

    static func update(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        var access = try ChannelAccess(request, transaction)
        try access.require(.manageChannels)
        let body: Body = try request.decodeBody()
        try validate(body, access.channel)
        var channel = access.channel
        apply(body, to: &channel)
        if body.parentID.isPresent {
            channel.parentID = try body.parentID.value.map {
                try ChannelRules.category($0, for: channel, in: access.guild, at: "parent_id").id
            }
        }
        if body.permissionOverwrites.isPresent {
            try access.require(.manageRoles)
            let overwrites = try ChannelRules.overwrites(body.permissionOverwrites.value ?? [], in: access.guild)
            try OverwriteOperations.requireHeld(
                ChannelRules.changes(from: channel.overwrites, to: overwrites), by: access)
            channel.replaceOverwrites(overwrites)
        }
        if channel != access.channel {
            access.rows.put(channel, in: &access.access.guild)
            try access.access.events.channelUpdated(channel, in: access.guild)
        }
        return try ChannelOperations.replyOnce(200, channel, access.access)
    }

    private static func apply(_ body: Body, to channel: inout Channel) {
        if let name = body.name.value { channel.name = ChannelOperations.name(name, for: channel.kind) }
        channel.position = body.position.applied(to: channel.position, resettingTo: channel.position)
        channel.isNSFW = body.nsfw.applied(to: channel.isNSFW, resettingTo: false)
        guard channel.kind == .text else { return }
        channel.topic = body.topic.applied(to: channel.topic).flatMap { $0.isEmpty ? nil : $0 }
        channel.rateLimitPerUser = body.rateLimitPerUser.applied(to: channel.rateLimitPerUser, resettingTo: 0)
        channel.defaultAutoArchiveDuration = body.defaultAutoArchiveDuration.applied(
            to: channel.defaultAutoArchiveDuration)
        channel.defaultThreadRateLimitPerUser = body.defaultThreadRateLimitPerUser.applied(
            to: channel.defaultThreadRateLimitPerUser)
    }

    private static func validate(_ body: Body, _ channel: Channel) throws(APIError) {
        var validation = Validation()
        if case .null = body.name { validation.require(body.name.value, at: "name") }
        validation.length(body.name.value?.trimmed, in: 1...100, at: "name")
        validation.length(body.topic.value, in: 0...ChannelRules.topicLength, at: "topic")
        // Discord converts between text and announcement channels alone, and there are none of the latter.
        validation.choice(body.type, of: [channel.kind.rawValue], at: "type")
        validation.number(body.position.value, in: 0...Int(Int32.max), at: "position")
        validation.number(body.rateLimitPerUser.value, in: 0...GuildLimits.slowmode, at: "rate_limit_per_user")
        validation.choice(
            body.defaultAutoArchiveDuration.value, of: ChannelRules.archiveDurations,
            at: "default_auto_archive_duration")
        validation.number(
            body.defaultThreadRateLimitPerUser.value, in: 0...GuildLimits.slowmode,
            at: "default_thread_rate_limit_per_user")
        try validation.finish()
    }
}

import Domain
import Identity
import Wire

/// What channels of a guild must fulfil, whoever makes or changes them.
enum ChannelRules {
    /// The longest topic of a text channel.
    static let topicLength = 1024
    /// Minutes that Discord allows until a thread is archived.
    static let archiveDurations = [60, 1440, 4320, 10_080]

    /// The category `id`, checked to be one with room for a channel that is not in it yet.
    static func category(
        _ id: ChannelID, for channel: Channel, in guild: GuildAggregate, at path: String...
    ) throws -> Channel {
        func fault(_ code: String, _ message: String) -> APIError {
            .invalidForm([APIError.FieldFault(path: path, code: code, message: message)])
        }
        guard channel.kind != .category else {
            throw fault("CHANNEL_PARENT_INVALID_TYPE", "Categories cannot have subchannels that are categories")
        }
        guard let parent = guild.channels[id] else {
            throw fault("CHANNEL_PARENT_INVALID", "Category does not exist")
        }
        guard parent.kind == .category else {
            throw fault("CHANNEL_PARENT_INVALID_TYPE", "Not a category")
        }
        let count = guild.channels.values.count { $0.parentID == id && $0.id != channel.id }
        guard count < GuildLimits.channelsInCategory else {
            throw fault(
                "CHANNEL_PARENT_MAX_CHANNELS",
                "Maximum number of channels in category reached (\(GuildLimits.channelsInCategory))")
        }
        return parent
    }

    /// The overwrites of a body: of roles of the guild, or of users, one for each.
    static func overwrites(
        _ bodies: [OverwriteBody], in guild: GuildAggregate
    ) throws(APIError) -> [Overwrite] {
        var validation = Validation()
        validation.count(bodies.count, in: 0...GuildLimits.overwritesInBody, at: "permission_overwrites")
        var seen: Set<Snowflake> = []
        var overwrites: [Overwrite] = []
        for (index, body) in bodies.enumerated() {
            let id = body.id.snowflake
            // Old libraries leave the type out where the id is a role's.
            let isRole = body.type.map { $0 == 0 } ?? (guild.roles[RoleID(id)] != nil)
            validation.choice(body.type, of: [0, 1], at: "permission_overwrites", "\(index)", "type")
            if isRole, guild.roles[RoleID(id)] == nil {
                validation.fail(
                    at: "permission_overwrites", "\(index)", "id", code: "ROLE_INVALID", message: "Unknown role")
            }
            if !seen.insert(id).inserted {
                validation.fail(
                    at: "permission_overwrites", "\(index)", "id", code: "SET_TYPE_CONTAINS_DUPLICATES",
                    message: "The set already contains this value.")
            }
            overwrites.append(
                Overwrite(
                    id: id, isMember: !isRole, allow: body.allow?.rawValue ?? 0, deny: body.deny?.rawValue ?? 0))
        }
        try validation.finish()
        return overwrites
    }

    /// The permissions that differ between two sets of overwrites: to change one, an actor must have it.
    static func changes(from old: [Overwrite], to new: [Overwrite]) -> Permissions {
        let before = Dictionary(uniqueKeysWithValues: old.map { ($0.id, $0) })
        let after = Dictionary(uniqueKeysWithValues: new.map { ($0.id, $0) })
        var bits: UInt64 = 0
        for id in Set(before.keys).union(after.keys) {
            bits |= (before[id]?.allow ?? 0) ^ (after[id]?.allow ?? 0)
            bits |= (before[id]?.deny ?? 0) ^ (after[id]?.deny ?? 0)
        }
        return Permissions(rawValue: bits)
    }
}

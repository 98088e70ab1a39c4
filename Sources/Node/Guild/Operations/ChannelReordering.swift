import Domain
import Identity
import Wire

/// `PATCH /guilds/{guild_id}/channels`: positions and categories of several channels at once.
enum ChannelReordering {
    struct Move: Decodable {
        var id: ChannelID
        var position: Int?
        var parentID: Field<ChannelID>
        var lockPermissions: Bool?

        enum CodingKeys: String, CodingKey {
            case id, position
            case parentID = "parent_id"
            case lockPermissions = "lock_permissions"
        }
    }

    static func reorder(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        var access = try GuildAccess(request, transaction)
        try access.require(.manageChannels)
        let moves: [Move] = try request.decodeBody()
        try validate(moves, in: access.guild)
        var changed: [Channel] = []
        for (index, move) in moves.enumerated() {
            guard var channel = access.guild.channels[move.id] else { throw APIError.unknownChannel }
            let before = channel
            if let position = move.position { channel.position = position }
            if move.parentID.isPresent {
                channel.parentID = try move.parentID.value.map {
                    try ChannelRules.category($0, for: channel, in: access.guild, at: "\(index)", "parent_id").id
                }
            }
            if move.lockPermissions == true, let parent = channel.parentID.flatMap({ access.guild.channels[$0] }) {
                let changes = ChannelRules.changes(from: channel.overwrites, to: parent.overwrites)
                try access.requireHeld(changes.isEmpty ? [] : changes.union(.manageRoles))
                channel.replaceOverwrites(parent.overwrites)
            }
            guard channel != before else { continue }
            access.rows.put(channel, in: &access.guild)
            changed.append(channel)
        }
        for channel in changed { try access.events.channelUpdated(channel, in: access.guild) }
        return .reply(.noContent)
    }

    private static func validate(_ moves: [Move], in guild: GuildAggregate) throws(APIError) {
        var validation = Validation()
        validation.count(moves.count, in: 1...GuildLimits.channels, at: "_")
        var seen: Set<ChannelID> = []
        for (index, move) in moves.enumerated() {
            validation.number(move.position, in: 0...Int(Int32.max), at: "\(index)", "position")
            if !seen.insert(move.id).inserted {
                validation.fail(
                    at: "\(index)", "id", code: "SET_TYPE_CONTAINS_DUPLICATES",
                    message: "The set already contains this value.")
            }
        }
        try validation.finish()
    }
}

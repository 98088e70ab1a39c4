import Domain
import Identity
import Wire

/// Operations on a guild as a whole.
enum GuildOperations {
    static let operations: [String: OperationHandler] = [
        "create_guild": GuildCreation.create,
        "get_guild": get,
        "update_guild": GuildUpdate.update,
        "delete_guild": delete,
        "leave_guild": leave,
        "my_guild_summary": summary,
    ]

    /// `GET /guilds/{guild_id}`; Discord hides a guild from those outside.
    static func get(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction, outsider: .unknownGuild)
        let memberCount =
            try request.queryBool("with_counts") ? try access.rows.memberCount(of: access.guild.id) : nil
        return .reply(
            .json {
                $0.object { json in
                    json.guildMembers(access.guild)
                    if let memberCount { json.approximateCounts(memberCount: memberCount) }
                }
            })
    }

    /// `DELETE /guilds/{guild_id}`.
    static func delete(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction, outsider: .unknownGuild)
        guard access.isOwner else { throw APIError.missingPermissions }
        try GuildDeletion(access.rows).begin(access.guild)
        return .reply(.noContent)
    }

    /// `DELETE /users/@me/guilds/{guild_id}`.
    static func leave(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction, outsider: .unknownGuild)
        guard !access.isOwner else { throw APIError.invalidGuild }
        var guild = access.guild
        try Membership(access.rows).remove(access.member, from: &guild)
        return .reply(.noContent)
    }

    /// One element of `GET /users/@me/guilds`.
    static func summary(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction, outsider: .unknownGuild)
        let memberCount =
            try request.queryBool("with_counts") ? try access.rows.memberCount(of: access.guild.id) : nil
        return .reply(
            .json {
                $0.object { json in
                    json.member("id", access.guild.id)
                    json.member("name", access.guild.record.name)
                    json.memberNull("icon")
                    json.memberNull("banner")
                    json.member("owner", access.isOwner)
                    json.member("permissions", bits: access.permissions.rawValue)
                    json.member("features", array: { _ in })
                    if let memberCount { json.approximateCounts(memberCount: memberCount) }
                }
            })
    }
}

extension APIError {
    /// The owner cannot leave.
    static let invalidGuild = APIError(status: 400, code: 50055, message: "Invalid Guild")
}

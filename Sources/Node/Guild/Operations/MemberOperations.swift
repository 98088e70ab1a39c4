import Domain
import Identity
import Wire

/// Operations on the members of a guild.
enum MemberOperations {
    static let operations: [String: OperationHandler] = [
        "list_guild_members": list,
        "get_guild_member": get,
        "get_my_guild_member": getMine,
        "update_guild_member": MemberUpdate.update,
        "update_my_guild_member": MemberUpdate.updateMine,
        "delete_guild_member": kick,
        "add_guild_member_role": addRole,
        "delete_guild_member_role": deleteRole,
    ]

    /// `GET /guilds/{guild_id}/members`: in the order of ids.
    static func list(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction)
        let limit = try request.queryInteger("limit", in: 1...1000, default: 1)
        let after: UserID = try request.queryID("after") ?? UserID(rawValue: 0)
        let guild = access.guild
        // A page of a thousand takes milliseconds: off the executor.
        return .read { rows in
            let members = try GuildRows.members(of: guild.id, after: after, limit: limit, in: rows)
            return .json {
                $0.array { json in
                    for member in members { json.member(member, of: guild) }
                }
            }
        }
    }

    static func get(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction)
        return reply(try access.pathMember(), access.guild)
    }

    static func getMine(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction, outsider: .unknownGuild)
        return reply(access.member, access.guild)
    }

    static func reply(_ member: Member, _ guild: GuildAggregate) -> Outcome {
        .reply(.json { $0.member(member, of: guild) })
    }

    /// `DELETE /guilds/{guild_id}/members/{user_id}`.
    static func kick(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        var access = try GuildAccess(request, transaction)
        try access.require(.kickMembers)
        let member = try access.pathMember()
        try access.requireAbove(member)
        try Membership(access.rows).remove(member, from: &access.guild)
        return .reply(.noContent)
    }

    static func addRole(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        try changeRole(request, transaction) { roles, id in
            if !roles.contains(id) { roles.append(id) }
        }
    }

    static func deleteRole(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        try changeRole(request, transaction) { roles, id in roles.removeAll { $0 == id } }
    }

    private static func changeRole(
        _ request: RestRequest, _ transaction: any SlotTransaction, _ change: (inout [RoleID], RoleID) -> Void
    ) throws -> Outcome {
        let access = try GuildAccess(request, transaction)
        try access.require(.manageRoles)
        var member = try access.pathMember()
        let role = try access.pathRole()
        guard role.id != access.guild.everyoneID, !role.isManaged else { throw APIError.invalidRole }
        try access.requireAbove(role)
        var roles = access.guild.roleIDs(of: member)
        let before = roles
        change(&roles, role.id)
        if roles != before {
            member.roles = roles
            access.rows.put(member, of: access.guild.id)
            access.events.memberUpdated(member, of: access.guild)
        }
        return .reply(.noContent)
    }
}

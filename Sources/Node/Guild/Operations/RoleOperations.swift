import Domain
import Identity
import Wire

/// Operations on the roles of a guild.
enum RoleOperations {
    static let operations: [String: OperationHandler] = [
        "list_guild_roles": list,
        "get_guild_role": get,
        "create_guild_role": create,
        "update_guild_role": update,
        "delete_guild_role": delete,
        "bulk_update_guild_roles": RoleReordering.reorder,
    ]

    struct Body: Decodable {
        var name: Field<String>
        var permissions: Field<Permissions>
        var color: Field<Int>
        var colors: Field<Colors>
        var hoist: Field<Bool>
        var mentionable: Field<Bool>
    }

    struct Colors: Decodable {
        var primaryColor: Int
        var secondaryColor: Int?
        var tertiaryColor: Int?

        enum CodingKeys: String, CodingKey {
            case primaryColor = "primary_color"
            case secondaryColor = "secondary_color"
            case tertiaryColor = "tertiary_color"
        }
    }

    static func list(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        .reply(reply(try GuildAccess(request, transaction).guild.rolesInOrder))
    }

    static func reply(_ roles: [Role]) -> RestReply {
        .json {
            $0.array { json in
                for role in roles { json.role(role) }
            }
        }
    }

    static func get(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let role = try GuildAccess(request, transaction).pathRole()
        return .reply(.json { $0.role(role) })
    }

    /// `POST /guilds/{guild_id}/roles`: a role below all others, with the permissions of @everyone unless told.
    static func create(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        var access = try GuildAccess(request, transaction)
        try access.require(.manageRoles)
        let body: Body = try request.decodeBody()
        try validate(body)
        try requireRoom(in: access.guild)
        let permissions =
            body.permissions.value ?? access.guild.roles[access.guild.everyoneID]?.permissions ?? []
        if body.permissions.value != nil { try access.requireHeld(permissions) }
        var role = Role(
            id: RoleID(try transaction.mint()), name: "new role", permissions: permissions, position: 1)
        apply(body, to: &role)
        access.rows.put(role, in: &access.guild)
        access.events.roleCreated(role, in: access.guild.id)
        let created = role
        return .reply(.json { $0.role(created) })
    }

    static func requireRoom(in guild: GuildAggregate) throws(APIError) {
        guard guild.roles.count < GuildLimits.roles else {
            throw .maximum(30005, "guild roles", GuildLimits.roles)
        }
    }

    static func update(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        var access = try GuildAccess(request, transaction)
        try access.require(.manageRoles)
        let before = try access.pathRole()
        // @everyone is below every role, whatever its id says about two in one position.
        if before.id != access.guild.everyoneID { try access.requireAbove(before) }
        let body: Body = try request.decodeBody()
        try validate(body)
        var role = before
        apply(body, to: &role)
        if before.id == access.guild.everyoneID { role.name = before.name }
        try access.requireHeld(role.permissions.symmetricDifference(before.permissions))
        if role != before {
            access.rows.put(role, in: &access.guild)
            access.events.roleUpdated(role, in: access.guild.id)
        }
        let updated = role
        return .reply(.json { $0.role(updated) })
    }

    static func delete(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        var access = try GuildAccess(request, transaction)
        try access.require(.manageRoles)
        let role = try access.pathRole()
        guard role.id != access.guild.everyoneID, !role.isManaged else { throw APIError.invalidRole }
        try access.requireAbove(role)
        try RoleDeletion(access.rows).delete(role.id, from: &access.guild)
        return .reply(.noContent)
    }

    private static func validate(_ body: Body) throws(APIError) {
        let colors = 0...0xff_ffff
        var validation = Validation()
        validation.length(body.name.value, in: 1...100, at: "name")
        validation.number(body.color.value, in: colors, at: "color")
        validation.number(body.colors.value?.primaryColor, in: colors, at: "colors", "primary_color")
        validation.number(body.colors.value?.secondaryColor, in: colors, at: "colors", "secondary_color")
        validation.number(body.colors.value?.tertiaryColor, in: colors, at: "colors", "tertiary_color")
        try validation.finish()
    }

    private static func apply(_ body: Body, to role: inout Role) {
        role.name = body.name.applied(to: role.name, resettingTo: "new role")
        role.permissions = body.permissions.value ?? role.permissions
        role.color = body.color.applied(to: role.color, resettingTo: 0)
        if let colors = body.colors.value {
            role.color = colors.primaryColor
            role.secondaryColor = colors.secondaryColor
            role.tertiaryColor = colors.tertiaryColor
        }
        role.isHoisted = body.hoist.applied(to: role.isHoisted, resettingTo: false)
        role.isMentionable = body.mentionable.applied(to: role.isMentionable, resettingTo: false)
    }
}

extension APIError {
    /// @everyone or a managed role where an ordinary one is meant.
    static let invalidRole = APIError(status: 400, code: 50028, message: "Invalid role")
}

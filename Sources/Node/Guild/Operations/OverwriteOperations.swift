import Domain
import Identity
import Wire

/// `PUT` and `DELETE /channels/{channel_id}/permissions/{overwrite_id}`.
enum OverwriteOperations {
    struct Body: Decodable {
        /// 0 a role, 1 a member.
        var type: Int
        var allow: Permissions?
        var deny: Permissions?
    }

    static func set(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try ChannelAccess(request, transaction)
        try access.require(.manageRoles)
        let id = try pathID(request)
        let body: Body = try request.decodeBody()
        var validation = Validation()
        validation.choice(body.type, of: [0, 1], at: "type")
        try validation.finish()
        if body.type == 0, access.guild.roles[RoleID(id)] == nil { throw APIError.unknownRole }
        if access.channel.overwrites.count >= GuildLimits.overwrites,
            !access.channel.overwrites.contains(where: { $0.id == id })
        {
            throw APIError.maximum(30060, "channel permission overwrites", GuildLimits.overwrites)
        }
        var channel = access.channel
        channel.setOverwrite(
            Overwrite(
                id: id, isMember: body.type == 1, allow: body.allow?.rawValue ?? 0, deny: body.deny?.rawValue ?? 0))
        return try store(channel, access)
    }

    static func delete(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try ChannelAccess(request, transaction)
        try access.require(.manageRoles)
        var channel = access.channel
        guard channel.removeOverwrite(try pathID(request)) else { throw APIError.unknownOverwrite }
        return try store(channel, access)
    }

    private static func pathID(_ request: RestRequest) throws(APIError) -> Snowflake {
        let id: Snowflake64 = try request.pathID("overwrite_id")
        return id.snowflake
    }

    private static func store(_ channel: Channel, _ access: ChannelAccess) throws -> Outcome {
        try requireHeld(
            ChannelRules.changes(from: access.channel.overwrites, to: channel.overwrites), by: access)
        guard channel != access.channel else { return .reply(.noContent) }
        var guild = access.guild
        access.rows.put(channel, in: &guild)
        try access.access.events.channelUpdated(channel, in: guild)
        return .reply(.noContent)
    }

    /// Who changes an overwrite has the permissions that it changes, in the guild or in the channel; unless an
    /// overwrite of the channel itself gives them MANAGE_ROLES, which puts all of the channel's in their hands.
    static func requireHeld(_ changes: Permissions, by access: ChannelAccess) throws(APIError) {
        let held = access.permissions.union(access.access.permissions)
        if held.isSuperset(of: changes) || hasManageRolesOverwrite(access) { return }
        throw .missingPermissions
    }

    private static func hasManageRolesOverwrite(_ access: ChannelAccess) -> Bool {
        access.channel.overwrites.contains { overwrite in
            guard Permissions(rawValue: overwrite.allow).contains(.manageRoles) else { return false }
            return overwrite.isMember
                ? overwrite.id == access.member.userID.snowflake
                : overwrite.id == access.guild.everyoneID.snowflake
                    || access.member.roles.contains { $0.snowflake == overwrite.id }
        }
    }
}

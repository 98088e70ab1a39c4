import Domain
import Identity
import Wire

/// `PATCH /guilds/{guild_id}/members/{user_id}` and `…/@me`.
enum MemberUpdate {
    /// BYPASSES_VERIFICATION: the one member flag that others may set.
    static let editableFlags: UInt64 = 1 << 2

    struct Body: Decodable {
        var nick: Field<String>
        var roles: Field<[RoleID]>
        var communicationDisabledUntil: Field<Timestamp>
        var flags: Field<UInt64>
        var mute: Field<Bool>
        var deaf: Field<Bool>
        var channelID: Field<ChannelID>

        enum CodingKeys: String, CodingKey {
            case nick, roles, flags, mute, deaf
            case communicationDisabledUntil = "communication_disabled_until"
            case channelID = "channel_id"
        }
    }

    struct MyBody: Decodable {
        var nick: Field<String>
    }

    static func update(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction)
        let before = try access.pathMember()
        let body: Body = try request.decodeBody()
        try validate(body, now: access.now)
        try authorize(body, on: before, access)
        var member = before
        applyNick(body.nick, to: &member)
        if body.roles.isPresent { member.roles = try roles(body.roles.value ?? [], of: before, access) }
        member.communicationDisabledUntil = body.communicationDisabledUntil.applied(
            to: member.communicationDisabledUntil)
        if body.flags.isPresent {
            let flags = (body.flags.value ?? 0) & editableFlags
            member.flags = member.flags & ~editableFlags | flags
        }
        return store(member, before, access)
    }

    static func updateMine(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction)
        let body: MyBody = try request.decodeBody()
        var validation = Validation()
        validation.length(body.nick.value?.trimmed, in: 0...32, at: "nick")
        try validation.finish()
        if body.nick.isPresent { try access.require(.changeNickname) }
        var member = access.member
        applyNick(body.nick, to: &member)
        return store(member, access.member, access)
    }

    private static func store(_ member: Member, _ before: Member, _ access: GuildAccess) -> Outcome {
        if member != before {
            access.rows.put(member, of: access.guild.id)
            access.events.memberUpdated(member, of: access.guild)
        }
        return MemberOperations.reply(member, access.guild)
    }

    private static func applyNick(_ nick: Field<String>, to member: inout Member) {
        member.nick = nick.applied(to: member.nick).flatMap { $0.trimmed.isEmpty ? nil : $0.trimmed }
    }

    private static func validate(_ body: Body, now: Timestamp) throws(APIError) {
        var validation = Validation()
        validation.length(body.nick.value?.trimmed, in: 0...32, at: "nick")
        validation.count(body.roles.value?.count, in: 0...350, at: "roles")
        if let end = body.communicationDisabledUntil.value, end > now + GuildLimits.timeout {
            validation.fail(
                at: "communication_disabled_until", code: "DATE_TIME_TYPE_MAX",
                message: "A time-out ends within 28 days")
        }
        try validation.finish()
    }

    private static func authorize(_ body: Body, on target: Member, _ access: GuildAccess) throws {
        let isSelf = target.userID == access.member.userID
        if body.nick.isPresent {
            if isSelf {
                guard access.permissions.contains(.changeNickname) || access.permissions.contains(.manageNicknames)
                else { throw APIError.missingPermissions }
            } else {
                try access.require(.manageNicknames)
                try access.requireAbove(target)
            }
        }
        // Each role is held against the actor's rank by itself.
        if body.roles.isPresent { try access.require(.manageRoles) }
        if body.communicationDisabledUntil.isPresent {
            try access.require(.moderateMembers)
            try access.requireAbove(target)
            let theirs = access.guild.permissions(of: target, at: access.now)
            guard body.communicationDisabledUntil.value == nil || !theirs.contains(.administrator) else {
                throw APIError.missingPermissions
            }
        }
        if body.flags.isPresent {
            let moderating: Permissions = [.moderateMembers, .kickMembers, .banMembers]
            guard
                access.permissions.contains(.manageGuild) || access.permissions.contains(.manageRoles)
                    || access.permissions.isSuperset(of: moderating)
            else { throw APIError.missingPermissions }
        }
        if body.mute.isPresent { try access.require(.muteMembers) }
        if body.deaf.isPresent { try access.require(.deafenMembers) }
        if body.channelID.isPresent { try access.require(.moveMembers) }
        if body.mute.isPresent || body.deaf.isPresent || body.channelID.isPresent {
            // Nobody is connected: voice comes with its own issue.
            throw APIError.notConnectedToVoice
        }
    }

    /// The member's new roles: of what is added or taken away, everything is below the actor's highest role, and
    /// nothing came with a bot.
    private static func roles(_ wanted: [RoleID], of member: Member, _ access: GuildAccess) throws -> [RoleID] {
        let before = access.guild.roleIDs(of: member)
        var roles: [RoleID] = []
        for (index, id) in wanted.enumerated() where id != access.guild.everyoneID && !roles.contains(id) {
            guard access.guild.roles[id] != nil else {
                throw APIError.invalidForm("roles", "\(index)", code: "ROLE_INVALID", message: "Unknown role")
            }
            roles.append(id)
        }
        for id in Set(before).symmetricDifference(roles) {
            guard let role = access.guild.roles[id] else { continue }
            guard !role.isManaged else { throw APIError.missingPermissions }
            try access.requireAbove(role)
        }
        return roles
    }
}

extension APIError {
    static let notConnectedToVoice = APIError(
        status: 400, code: 40032, message: "Target user is not connected to voice.")
}

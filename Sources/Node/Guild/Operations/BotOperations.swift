import Domain
import Identity
import Wire

/// Adding bots to guilds.
enum BotOperations {
    static let operations: [String: OperationHandler] = [
        "authorize_bot": authorize,
        "admin_add_bot": adminAdd,
    ]

    struct Body: Decodable {
        var guildID: GuildID?
        var permissions: Permissions?
        var authorize: Bool?

        enum CodingKeys: String, CodingKey {
            case permissions, authorize
            case guildID = "guild_id"
        }
    }

    /// `POST /oauth2/authorize?client_id=…&scope=bot&permissions=…`, as Discord's own client does it.
    static func authorize(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let actor = try request.requiredActor()
        guard !actor.profile.isBot else { throw APIError.botsNotAllowed }
        let body: Body = try request.decodeBody()
        guard let guildID = body.guildID else {
            throw APIError.invalidForm([.required(["guild_id"])])
        }
        let access = try GuildAccess(of: guildID, request, transaction)
        try access.require(.manageGuild)
        // Without consent nothing happens, and Discord's client is sent to where it came from.
        guard body.authorize == true else { return .reply(location("/oauth2/authorize?error=access_denied")) }
        let granted = try permissions(body, request)
        let bot = try bot(request)
        // Nobody gives a bot what they do not have themselves, nor takes from one what is above them.
        let present = access.guild.roles.values.first { $0.botID == bot.id }?.permissions ?? []
        try access.requireHeld(granted.union(present.symmetricDifference(granted)))
        try add(bot, granted, to: access.guild, access.rows)
        return .reply(location("/oauth2/authorized"))
    }

    /// `guildctl bot add`, by the operator's right. A bot that is a member already stays as it is.
    static func adminAdd(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        guard request.isOperator else { throw APIError.unauthorized }
        let rows = GuildRows(transaction)
        guard let guild = try rows.guild(try request.pathID("guild_id")) else { throw APIError.unknownGuild }
        let granted = try permissions(try request.decodeBody(), request)
        let bot = try bot(request)
        if try rows.member(bot.id, of: guild.id) == nil { try add(bot, granted, to: guild, rows) }
        return .reply(.noContent)
    }

    private static func location(_ path: String) -> RestReply {
        .json { $0.object { $0.member("location", path) } }
    }

    private static func bot(_ request: RestRequest) throws(APIError) -> UserProfile {
        guard let bot = request.subject, bot.isBot else { throw .unknownApplication }
        return bot
    }

    /// Those of the body, else of the query.
    private static func permissions(_ body: Body, _ request: RestRequest) throws(APIError) -> Permissions {
        if let permissions = body.permissions { return permissions }
        guard let text = request.queryText("permissions"), !text.isEmpty else { return [] }
        guard let bits = UInt64(text) else {
            throw .invalidForm("permissions", code: "NUMBER_TYPE_COERCE", message: "Value is not int.")
        }
        return Permissions(rawValue: bits).intersection(.all)
    }

    /// Makes the bot a member with a managed role of its name that has the permissions; a bot that is there already
    /// gets its role's permissions changed. Without any permissions there is no role, as in Discord.
    private static func add(
        _ bot: UserProfile, _ granted: Permissions, to before: GuildAggregate, _ rows: GuildRows
    ) throws {
        var guild = before
        let events = GuildEvents(rows)
        let existing = try rows.member(bot.id, of: guild.id)
        var role = guild.roles.values.first { $0.botID == bot.id }
        if var known = role {
            if known.permissions != granted {
                known.permissions = granted
                rows.put(known, in: &guild)
                events.roleUpdated(known, in: guild.id)
            }
        } else if !granted.isEmpty {
            try RoleOperations.requireRoom(in: guild)
            var new = Role(
                id: RoleID(try rows.transaction.mint()), name: bot.username, permissions: granted, position: 1)
            new.botID = bot.id
            rows.put(new, in: &guild)
            events.roleCreated(new, in: guild.id)
            role = new
        }
        guard var member = existing else {
            try Membership(rows).add(bot, roles: role.map { [$0.id] } ?? [], to: guild)
            return
        }
        if let role, !member.roles.contains(role.id) {
            member.roles.append(role.id)
            rows.put(member, of: guild.id)
            events.memberUpdated(member, of: guild)
        }
    }
}

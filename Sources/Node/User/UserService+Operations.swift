import Domain
import Identity
import NIOCore
import Wire

extension UserService {
    public static let operations: [String: OperationHandler] = [
        "get_my_user": getMyUser,
        "get_user": getUser,
        "list_my_guild_ids": listMyGuildIDs,
        "get_my_application": getMyApplication,
        "get_my_oauth2_application": getMyApplication,
        "lookup_name": lookUpName,
        "logout": logOut,
    ]

    // MARK: Reads

    /// `GET /users/@me`.
    @Sendable static func getMyUser(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let account = try ownAccount(of: request, in: UserRows(transaction))
        return .reply(RestReply(status: 200, body: json { $0.privateUser(account) }))
    }

    /// `GET /users/{user_id}`.
    @Sendable static func getUser(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        guard let id = request.parameters["user_id"].flatMap({ UserID($0) }),
            let account = try UserRows(transaction).activeAccount(id)
        else { throw APIError.unknownUser }
        return .reply(RestReply(status: 200, body: json { $0.publicUser(account.profile) }))
    }

    /// The ids of the actor's guilds, ascending, as a JSON array; internal.
    @Sendable static func listMyGuildIDs(
        _ request: RestRequest, in transaction: any SlotTransaction
    ) throws -> Outcome {
        let rows = UserRows(transaction)
        let guilds = try rows.guilds(of: ownAccount(of: request, in: rows).id)
        return .reply(
            RestReply(status: 200, body: json { $0.array { for guild in guilds { $0.snowflake(guild.snowflake) } } }))
    }

    /// `GET /applications/@me` and `GET /oauth2/applications/@me`.
    @Sendable static func getMyApplication(
        _ request: RestRequest, in transaction: any SlotTransaction
    ) throws -> Outcome {
        let rows = UserRows(transaction)
        let account = try ownAccount(of: request, in: rows)
        guard account.isBot else { throw APIError.onlyBotsAllowed }
        guard let application = try rows.application(account.id) else { throw APIError.unknownApplication }
        let guildCount = try rows.guilds(of: account.id).count
        return .reply(
            RestReply(
                status: 200,
                body: json { $0.privateApplication(application, of: account.profile, guildCount: guildCount) }))
    }

    /// Whose name it is, at the name's directory slot; internal. Parameters `kind` (`username` or `email`) and `name`;
    /// the answer is `{"user_id": …, "is_known": …}`.
    ///
    /// For a name that nobody has, `user_id` is an id of this slot that nobody has either: the log-in that follows
    /// fails there like one with a wrong password, in the same time, so that a client cannot tell which names exist.
    @Sendable static func lookUpName(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let text = request.parameters["name"] ?? ""
        let name: DirectoryName
        switch request.parameters["kind"] {
        case "username": name = .username(text)
        case "email": name = .email(text)
        default: throw APIError.notFound
        }
        let owner = try DirectoryEntries(transaction: transaction).owner(of: name)
        let nobody = UserID(Snowflake(milliseconds: 0, slot: transaction.slot, sequence: 0))
        return .reply(
            RestReply(
                status: 200,
                body: json {
                    $0.object {
                        $0.member("user_id", owner ?? nobody)
                        $0.member("is_known", owner != nil)
                    }
                }))
    }

    // MARK: Tokens

    /// `POST /auth/logout`: revokes the token used.
    @Sendable static func logOut(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        guard let actor = request.actor else { throw APIError.unauthorized }
        UserRows(transaction).revoke(actor.tokenID, of: actor.userID)
        return .reply(RestReply(status: 204))
    }

    /// The account of who asks.
    static func ownAccount(of request: RestRequest, in rows: UserRows) throws -> Account {
        guard let actor = request.actor, let account = try rows.activeAccount(actor.userID) else {
            throw APIError.unauthorized
        }
        return account
    }
}

import Domain
import Identity
import NIOCore
import Wire

extension UserService {
    public static let operations: [String: OperationHandler] = [
        "register": register,
        "login": logIn,
        "logout": logOut,
        "get_my_user": getMyUser,
        "update_my_user": updateMyUser,
        "get_user": getUser,
        "list_my_guild_ids": listMyGuildIDs,
        "get_my_application": getMyApplication,
        "get_my_oauth2_application": getMyApplication,
        "lookup_name": lookUpName,
        "admin_create_user": createUser,
        "admin_create_bot": createBot,
        "admin_update_bot": updateBot,
        "admin_reset_bot_token": resetBotToken,
    ]

    // MARK: Reads

    /// `GET /users/@me`.
    @Sendable static func getMyUser(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let account = try ownAccount(of: request, in: UserRows(transaction))
        return .reply(.json { $0.privateUser(account) })
    }

    /// `GET /users/{user_id}`.
    @Sendable static func getUser(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let id: UserID = try request.pathID("user_id")
        guard let account = try UserRows(transaction).activeAccount(id) else { throw APIError.unknownUser }
        return .reply(.json { $0.user(account.profile) })
    }

    /// The ids of the actor's guilds, ascending, as a JSON array; internal.
    @Sendable static func listMyGuildIDs(
        _ request: RestRequest, in transaction: any SlotTransaction
    ) throws -> Outcome {
        let rows = UserRows(transaction)
        let guilds = try rows.guilds(of: ownAccount(of: request, in: rows).id)
        return .reply(
            .json { $0.array { for guild in guilds { $0.snowflake(guild.snowflake) } } })
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
            .json { $0.privateApplication(application, of: account.profile, guildCount: guildCount) })
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
            .json {
                $0.object {
                    $0.member("user_id", owner ?? nobody)
                    $0.member("is_known", owner != nil)
                }
            })
    }

    /// The account of who asks.
    static func ownAccount(of request: RestRequest, in rows: UserRows) throws -> Account {
        guard let account = try rows.activeAccount(request.requiredActor().userID) else {
            throw APIError.unauthorized
        }
        return account
    }
}

import Domain
import Identity
import NIOCore
import Wire

/// New accounts: pending until the directory has answered (DESIGN §3), and so is the request.
extension UserService {
    private struct RegisterBody: Decodable {
        var username: String
        var email: String
        var password: String
        var globalName: String?

        enum CodingKeys: String, CodingKey {
            case username, email, password
            case globalName = "global_name"
        }
    }

    /// `POST /auth/register`. An `invite` in the body is the router's to accept, with the token that it gets here.
    @Sendable static func register(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let body = try request.decodeBody(RegisterBody.self)
        let faults = [
            AccountRules.username(body.username), AccountRules.email(body.email),
            AccountRules.password(body.password), body.globalName.flatMap { AccountRules.globalName($0) },
        ].compactMap(\.self)
        guard faults.isEmpty else { throw APIError.invalidForm(faults) }
        let names = [
            Account.Claim(kind: .username, text: body.username),
            Account.Claim(kind: .email, text: DirectoryName.email(body.email).canonical),
        ]
        let draft = Draft(names: names, globalName: body.globalName)
        return try create(draft, password: body.password, for: request, in: transaction) { account, token in
            .json(201) {
                $0.object {
                    $0.member("token", token)
                    $0.member("user_id", account.id)
                }
            }
        }
    }

    private struct CreateUserBody: Decodable {
        var username: String
        var email: String?
        var password: String?
        var globalName: String?

        enum CodingKeys: String, CodingKey {
            case username, email, password
            case globalName = "global_name"
        }
    }

    /// `POST /admin/v1/users`: an account made by an operator, who may leave out e-mail and password.
    @Sendable static func createUser(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        try requireOperator(request)
        let body = try request.decodeBody(CreateUserBody.self)
        let faults = [
            AccountRules.username(body.username), body.email.flatMap { AccountRules.email($0) },
            body.password.flatMap { AccountRules.password($0) },
            body.globalName.flatMap { AccountRules.globalName($0) },
        ].compactMap(\.self)
        guard faults.isEmpty else { throw APIError.invalidForm(faults) }
        var names = [Account.Claim(kind: .username, text: body.username)]
        if let email = body.email {
            names.append(Account.Claim(kind: .email, text: DirectoryName.email(email).canonical))
        }
        let draft = Draft(names: names, globalName: body.globalName)
        return try create(draft, password: body.password, for: request, in: transaction) { account, token in
            .json(201) {
                $0.object {
                    $0.member("id", account.id)
                    $0.member("username", account.username)
                    $0.member("email", account.email)
                    $0.member("token", token)
                }
            }
        }
    }

    private struct CreateBotBody: Decodable {
        var name: String?
        var username: String?
        var ownerID: UserID?

        enum CodingKeys: String, CodingKey {
            case name, username
            case ownerID = "owner_id"
        }
    }

    /// `POST /admin/v1/bots`: a bot user with its application. The request's `subject`, when the router sends it, is
    /// the owner's profile, which the application shows.
    @Sendable static func createBot(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        try requireOperator(request)
        let body = try request.decodeBody(CreateBotBody.self)
        guard let name = body.username ?? body.name else { throw APIError.invalidForm([.required(["name"])]) }
        let field = body.username == nil ? "name" : "username"
        if let fault = AccountRules.botUsername(name, at: field) { throw APIError.invalidForm([fault]) }
        var draft = Draft(names: [Account.Claim(kind: .username, text: name)])
        draft.isBot = true
        draft.owner = body.ownerID.map { owner in
            if let subject = request.subject, subject.id == owner { return subject }
            return UserProfile(id: owner, username: "user_\(owner)", version: 0)
        }
        return try create(draft, password: nil, for: request, in: transaction) { account, token in
            .json(201) {
                $0.object {
                    $0.member("id", account.id)
                    $0.member("application_id", account.id)
                    $0.member("username", account.username)
                    $0.member("token", token)
                }
            }
        }
    }

    static func requireOperator(_ request: RestRequest) throws(APIError) {
        guard request.isOperator else { throw .unauthorized }
    }

    // MARK: The way of a new account

    /// What is known of an account before it has an id.
    private struct Draft: Sendable {
        var names: [Account.Claim]
        var globalName: String?
        var isBot = false
        var owner: UserProfile?
    }

    private typealias Answer = @Sendable (_ account: Account, _ token: String) -> RestReply

    /// Hashes the password, if there is one, then makes the account; a retry of a request whose wait was lost goes on
    /// with the account that it made.
    private static func create(
        _ draft: Draft, password: String?, for request: RestRequest, in transaction: any SlotTransaction,
        answer: @escaping Answer
    ) throws -> Outcome {
        if let pending = PendingAccount(request.parameters) {
            return try answerWhenNamed(pending, in: transaction, answer: answer)
        }
        guard let password else { return try create(draft, hash: nil, in: transaction, answer: answer) }
        let salt = (transaction.random(), transaction.random())
        return .offload(
            { try PasswordHash(of: password, salt: salt).encoded() },
            then: { try create(draft, hash: PasswordHash(decoding: $0), in: $1, answer: answer) })
    }

    private static func create(
        _ draft: Draft, hash: PasswordHash?, in transaction: any SlotTransaction, answer: @escaping Answer
    ) throws -> Outcome {
        let rows = UserRows(transaction)
        let id = UserID(try transaction.mint())
        var account = Account(id: id, state: .pending, username: "", created: transaction.now)
        for name in draft.names {
            switch name.kind {
            case .username: account.username = name.text
            case .email: account.email = name.text
            }
        }
        account.globalName = draft.globalName
        account.password = hash
        account.isBot = draft.isBot
        account.owner = draft.owner?.id
        NameClaims(rows: rows).ask(draft.names, for: &account)
        rows.put(account)
        if draft.isBot {
            var application = Application(name: account.username)
            application.owner = draft.owner
            rows.put(application, of: id)
        }
        return wait(for: PendingAccount(token: try rows.issueToken(to: id)), answer: answer)
    }

    /// A new account whose names are asked for, with the token that its answer will hold.
    private struct PendingAccount: Sendable {
        var token: Token

        init(token: Token) { self.token = token }

        /// - Parameter parameters: of a retry, see ``parameters``.
        init?(_ parameters: [String: String]) {
            guard let user = parameters["pending_user"].flatMap({ UserID($0) }),
                let id = parameters["pending_token"].flatMap({ UInt64($0) })
            else { return nil }
            token = Token(userID: user, tokenID: id)
        }

        /// What a retry finds the account by.
        var parameters: [String: String] {
            ["pending_user": token.userID.description, "pending_token": String(token.tokenID)]
        }
    }

    private static func wait(for pending: PendingAccount, answer: @escaping Answer) -> Outcome {
        .wait(
            retry: { try answerWhenNamed(pending, in: $0, answer: answer) }, resuming: pending.parameters)
    }

    /// Answers once the directory has answered for all names. The refused one's rows go with the answer.
    private static func answerWhenNamed(
        _ pending: PendingAccount, in transaction: any SlotTransaction, answer: @escaping Answer
    ) throws -> Outcome {
        let rows = UserRows(transaction)
        guard let account = try rows.account(pending.token.userID) else { throw APIError.unknownUser }
        switch account.state {
        case .active: return .reply(answer(account, pending.token.signed(with: transaction.tokenSecret)))
        case .denied where account.claims.isEmpty:
            rows.deleteUser(account.id)
            return .reply(APIError.invalidForm(account.refusals.map(AccountRules.refused)).reply)
        case .pending, .denied: return wait(for: pending, answer: answer)
        }
    }
}

import Domain
import Identity
import NIOCore
import Wire

/// Changes that users and operators make to accounts and applications.
extension UserService {
    private struct UpdateBody: Decodable, Sendable {
        var username: Field<String>
        var globalName: Field<String>
        var email: Field<String>
        var avatar: Field<String>
        var password: Field<String>
        var newPassword: Field<String>

        enum CodingKeys: String, CodingKey {
            case username, email, avatar, password
            case globalName = "global_name"
            case newPassword = "new_password"
        }

        func faults(isBot: Bool) -> [APIError.FieldFault] {
            var faults: [APIError.FieldFault?] = []
            if let username = username.value {
                faults.append(isBot ? AccountRules.botUsername(username) : AccountRules.username(username))
            }
            if let email = email.value { faults.append(AccountRules.email(email)) }
            if let name = globalName.value, !name.isEmpty { faults.append(AccountRules.globalName(name)) }
            if let password = newPassword.value {
                faults.append(AccountRules.password(password, at: "new_password"))
            }
            if avatar.value != nil {
                faults.append(
                    .init(path: ["avatar"], code: "IMAGE_INVALID", message: "This server does not store avatars."))
            }
            return faults.compactMap(\.self)
        }

        /// Names other than the account's own.
        func names(newTo account: Account) -> [Account.Claim] {
            var names: [Account.Claim] = []
            if let username = username.value, username != account.username {
                names.append(Account.Claim(kind: .username, text: username))
            }
            if let email = email.value.map({ DirectoryName.email($0).canonical }), email != account.email {
                names.append(Account.Claim(kind: .email, text: email))
            }
            return names
        }
    }

    /// `PATCH /users/@me`. A person's new name, address or password needs the present password; a new password revokes
    /// all tokens, and the answer has a new one.
    @Sendable static func updateMyUser(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let body = try request.decodeBody(UpdateBody.self)
        let account = try ownAccount(of: request, in: UserRows(transaction))
        let faults = body.faults(isBot: account.isBot)
        guard faults.isEmpty else { throw APIError.invalidForm(faults) }
        guard !account.isBot || (body.email.value == nil && body.newPassword.value == nil) else {
            throw APIError.botsNotAllowed
        }
        let isGuarded = !body.names(newTo: account).isEmpty || body.newPassword.value != nil
        guard isGuarded, !account.isBot, let hash = account.password else {
            return try claimNames(body, of: account.id, password: nil, in: transaction)
        }
        guard let password = body.password.value else {
            throw APIError.invalidForm([.required(["password"])])
        }
        let salt = (transaction.random(), transaction.random())
        return .offload(
            {
                guard try hash.matches(password) else { return ByteBuffer() }
                return try (body.newPassword.value.map { try PasswordHash(of: $0, salt: salt) } ?? hash).encoded()
            },
            then: { result, transaction in
                guard result.readableBytes > 0,
                    try UserRows(transaction).activeAccount(account.id)?.password == hash
                else { throw AccountRules.wrongPassword }
                let newHash = try PasswordHash(decoding: result)
                return try claimNames(
                    body, of: account.id, password: newHash == hash ? nil : newHash, in: transaction)
            })
    }

    /// Asks for new names, one request at a time, and goes on when they are granted. Run again from the start, by a
    /// retry whose first attempt's wait was lost, it finds the names held, or asks again for what was refused.
    private static func claimNames(
        _ body: UpdateBody, of user: UserID, password: PasswordHash?, in transaction: any SlotTransaction
    ) throws -> Outcome {
        let rows = UserRows(transaction)
        guard var account = try rows.activeAccount(user) else { throw APIError.unauthorized }
        let names = body.names(newTo: account)
        guard !names.isEmpty else { return try finish(body, of: account, password: password, in: rows) }
        guard account.claims.isEmpty else {
            return .wait { try claimNames(body, of: user, password: password, in: $0) }
        }
        NameClaims(rows: rows).ask(names, for: &account)
        rows.put(account)
        return awaitNames(names, body, of: user, password: password)
    }

    private static func awaitNames(
        _ names: [Account.Claim], _ body: UpdateBody, of user: UserID, password: PasswordHash?
    ) -> Outcome {
        let retry: @Sendable (any SlotTransaction) throws -> Outcome = { transaction in
            let rows = UserRows(transaction)
            guard let account = try rows.activeAccount(user) else { throw APIError.unauthorized }
            guard !names.contains(where: account.claims.contains) else {
                return awaitNames(names, body, of: user, password: password)
            }
            let refused = names.filter(account.refusals.contains)
            guard refused.isEmpty else { throw APIError.invalidForm(refused.map(AccountRules.refused)) }
            return try finish(body, of: account, password: password, in: rows)
        }
        return .wait(retry: retry, resuming: [:])
    }

    /// Changes what needs nobody's leave, and answers.
    private static func finish(
        _ body: UpdateBody, of account: Account, password: PasswordHash?, in rows: UserRows
    ) throws -> Outcome {
        var account = account
        let globalName = body.globalName.applied(to: account.globalName).flatMap { $0.isEmpty ? nil : $0 }
        var token: Token?
        let isRenamed = globalName != account.globalName
        if isRenamed {
            account.globalName = globalName
            ProfileChanges(rows: rows).announce(&account)
        }
        if let password {
            account.password = password
            rows.revokeAllTokens(of: account.id)
            token = try rows.issueToken(to: account.id)
        }
        if isRenamed || password != nil { rows.put(account) }
        let secret = rows.transaction.tokenSecret
        return .reply(
            .json {
                $0.object {
                    $0.privateUserMembers(account)
                    if let token { $0.member("token", token.signed(with: secret)) }
                }
            })
    }

    // MARK: Applications

    private struct UpdateBotBody: Decodable {
        var description: Field<String>
        var isPublic: Bool?
        /// Bits of ``Intents``; those that are not privileged are left out.
        var privilegedIntents: UInt64?

        enum CodingKeys: String, CodingKey {
            case description
            case isPublic = "bot_public"
            case privilegedIntents = "privileged_intents"
        }
    }

    /// An operator changes a bot's application (parameter `user_id`).
    @Sendable static func updateBot(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        try requireOperator(request)
        let body = try request.decodeBody(UpdateBotBody.self)
        let rows = UserRows(transaction)
        guard let account = try rows.activeAccount(request.pathID("user_id")),
            var application = try rows.application(account.id)
        else { throw APIError.unknownApplication }
        application.description = body.description.applied(to: application.description, resettingTo: "")
        var validation = Validation()
        validation.length(application.description, in: AccountRules.descriptionLength, at: "description")
        try validation.finish()
        if let isPublic = body.isPublic { application.isPublic = isPublic }
        if let intents = body.privilegedIntents {
            application.allowedPrivilegedIntents = intents & Intents.privileged
        }
        rows.put(application, of: account.id)
        let guildCount = try rows.guilds(of: account.id).count
        return .reply(
            .json { $0.privateApplication(application, of: account.profile, guildCount: guildCount) })
    }
}

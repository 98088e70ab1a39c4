import Domain
import Identity
import NIOCore
import Wire

/// Tokens: issued by logging in, revoked by logging out.
extension UserService {
    private struct LogInBody: Decodable {
        var login: String
        var password: String
    }

    /// `POST /auth/login`, at the slot of the user whom `lookup_name` named (parameter `user_id`).
    ///
    /// A user who does not exist, one who has no password and a wrong password take the same time and get the same
    /// answer.
    @Sendable static func logIn(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let body = try request.decodeBody(LogInBody.self)
        let user: UserID = try request.pathID("user_id")
        let hash = try UserRows(transaction).activeAccount(user)?.password
        return .offload(
            { answer(try (hash ?? .nobodys).matches(body.password)) },
            then: { result, transaction in
                let rows = UserRows(transaction)
                // The password may have been changed while the old one was being checked.
                guard isTrue(result), let hash, let account = try rows.activeAccount(user), account.password == hash
                else { throw AccountRules.invalidLogin }
                let token = try rows.issueToken(to: user).signed(with: transaction.tokenSecret)
                return .reply(
                    .json {
                        $0.object {
                            $0.member("user_id", user)
                            $0.member("token", token)
                            $0.member(
                                "user_settings",
                                object: {
                                    $0.member("locale", account.locale)
                                    $0.member("theme", "dark")
                                })
                        }
                    })
            })
    }

    /// `POST /auth/logout`: revokes the token used.
    @Sendable static func logOut(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let actor = try request.requiredActor()
        UserRows(transaction).revoke(actor.tokenID, of: actor.userID)
        return .reply(.noContent)
    }

    /// A new token for a bot (parameter `user_id`), by an operator; all older ones are revoked.
    @Sendable static func resetBotToken(
        _ request: RestRequest, in transaction: any SlotTransaction
    ) throws -> Outcome {
        try requireOperator(request)
        let rows = UserRows(transaction)
        guard let account = try rows.activeAccount(request.pathID("user_id")), account.isBot else {
            throw APIError.unknownApplication
        }
        rows.revokeAllTokens(of: account.id)
        let token = try rows.issueToken(to: account.id).signed(with: transaction.tokenSecret)
        return .reply(.json { $0.object { $0.member("token", token) } })
    }

    // MARK: Yes and no from an offloaded check

    static func answer(_ isTrue: Bool) -> ByteBuffer { ByteBuffer(integer: UInt8(isTrue ? 1 : 0)) }
    static func isTrue(_ answer: ByteBuffer) -> Bool { answer.readableBytesView.first == 1 }
}

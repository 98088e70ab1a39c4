import Domain
import Identity
import NIOCore
import Wire

/// Accounts, tokens, applications and the directory of unique names, at their slots (DESIGN §3).
///
/// The slots' runtime calls ``authenticate(_:in:)`` for calls of kind `authenticate` and ``profile(of:in:)`` for those
/// of kind `profile`; all else comes through ``SlotService``.
public enum UserService: SlotService {
    /// Whose token it is. The answer holds no actor when the token was revoked, never issued, or belongs to an account
    /// that is not active.
    public static func authenticate(
        _ request: AuthenticateRequest, in transaction: any SlotTransaction
    ) throws -> AuthenticateReply {
        let rows = UserRows(transaction)
        guard let account = try rows.activeAccount(request.userID),
            try rows.isLive(request.tokenID, of: request.userID)
        else { return AuthenticateReply(actor: nil) }
        var intents = Intents.privileged
        if account.isBot { intents = try rows.application(account.id)?.allowedPrivilegedIntents ?? 0 }
        return AuthenticateReply(
            actor: Actor(profile: account.profile, tokenID: request.tokenID), allowedPrivilegedIntents: intents)
    }

    /// The profile of an active user; `nil` when there is none.
    public static func profile(of user: UserID, in transaction: any SlotTransaction) throws -> UserProfile? {
        try UserRows(transaction).activeAccount(user)?.profile
    }

    public static func apply(_ effect: Effect, in transaction: any SlotTransaction) throws -> Bool {
        let rows = UserRows(transaction)
        switch effect {
        case .membershipAdded(let user, let guild, let joinedAt):
            guard let account = try rows.activeAccount(user) else { return true }
            if try rows.addGuild(guild, joinedAt: joinedAt, to: user) {
                rows.emit(.guildJoined(guild), to: user)
            }
            // The guild may have been given a profile from before a change whose announcement did not know it yet.
            if account.version > 1 {
                transaction.send(.profileChanged(guild: guild, profile: account.profile), to: guild.slot)
            }
        case .membershipRemoved(let user, let guild):
            if try rows.removeGuild(guild, from: user) { rows.emit(.guildLeft(guild), to: user) }
        case .claimName(let name, let owner):
            try DirectoryEntries(transaction: transaction).claim(name, for: owner)
        case .releaseName(let name, let owner):
            try DirectoryEntries(transaction: transaction).release(name, from: owner)
        case .nameAnswered(let name, let owner, let isGranted):
            try NameClaims(rows: rows).answered(name, owner: owner, isGranted: isGranted)
        case .profileChanged:
            return false
        }
        return true
    }

    public static func perform(_ work: Work, in transaction: any SlotTransaction) throws -> Bool {
        guard case .announceProfile(let user, let after) = work else { return false }
        try ProfileChanges(rows: UserRows(transaction)).tellGuilds(of: user, after: after)
        return true
    }

    public static func snapshot(
        of root: RootEntity, for user: UserID, in transaction: any SlotTransaction
    ) throws -> ByteBuffer? {
        guard case .user(let id) = root, id == user else { return nil }
        let rows = UserRows(transaction)
        guard let account = try rows.activeAccount(id) else { return nil }
        let application = try account.isBot ? rows.application(id) : nil
        return UserSnapshot(
            profile: account.profile,
            userJSON: json { $0.privateUser(account) },
            applicationJSON: application.map { application in
                json {
                    $0.object {
                        $0.member("id", id)
                        $0.member("flags", application.flags)
                    }
                }
            },
            guilds: try rows.guilds(of: id)
        ).encoded()
    }
}

import Domain
import Identity
import NIOCore
import Wire

/// The rows of a slot's users, read and written within one command.
struct UserRows {
    /// Live tokens of one user; the oldest gives way to a new one.
    static let maximumTokens = 100

    let transaction: any SlotTransaction

    init(_ transaction: any SlotTransaction) { self.transaction = transaction }

    /// Decoded accounts of one slot, so that the check of a token decodes nothing.
    private final class Cache {
        /// Over this many the cache starts over: some 2 MB a slot at most.
        static let maximumCount = 4096
        var accounts: [UserID: Account] = [:]
    }

    private var cache: Cache { transaction.caches.cache(Cache.self) { Cache() } }

    // MARK: Accounts

    /// The account in any state.
    func account(_ id: UserID) throws -> Account? {
        let cache = cache
        if let account = cache.accounts[id] { return account }
        guard let row = try transaction.get(.user, UserKeys.account(id)) else { return nil }
        let account = try Account(decoding: row)
        keep(account, in: cache)
        return account
    }

    /// The account if it is active: all that others may see of it.
    func activeAccount(_ id: UserID) throws -> Account? {
        guard let account = try account(id), account.state == .active else { return nil }
        return account
    }

    func put(_ account: Account) {
        transaction.put(.user, UserKeys.account(account.id), account.encoded())
        keep(account, in: cache)
    }

    /// Deletes all rows of a user who never became active.
    func deleteUser(_ id: UserID) {
        transaction.delete(.user, UserKeys.account(id))
        transaction.delete(.user, UserKeys.application(id))
        let tokens = UserKeys.tokens(id)
        transaction.deleteRange(.user, from: tokens.from, upTo: tokens.upTo)
        cache.accounts[id] = nil
    }

    private func keep(_ account: Account, in cache: Cache) {
        if cache.accounts.count >= Cache.maximumCount { cache.accounts.removeAll(keepingCapacity: true) }
        cache.accounts[account.id] = account
    }

    // MARK: Applications

    func application(_ bot: UserID) throws -> Application? {
        try transaction.get(.user, UserKeys.application(bot)).map { try Application(decoding: $0) }
    }

    func put(_ application: Application, of bot: UserID) {
        transaction.put(.user, UserKeys.application(bot), application.encoded())
    }

    // MARK: Tokens

    /// What a token's row holds.
    private struct TokenRow: FieldCodable {
        var created: Timestamp

        init(created: Timestamp) { self.created = created }

        func encode(into writer: inout FieldWriter) {
            writer.write(1, UInt64(1))
            writer.write(2, created)
        }

        init(from reader: FieldReader) throws(FieldError) {
            var reader = reader
            var created: Timestamp?
            while let field = try reader.next() {
                switch field.number {
                case 1:
                    guard try field.uint64() <= 1 else { throw .invalidField(1) }
                case 2: created = try field.timestamp()
                default: break
                }
            }
            self.created = try created.required(2)
        }
    }

    func isLive(_ token: UInt64, of user: UserID) throws -> Bool {
        try transaction.get(.user, UserKeys.token(user, token)) != nil
    }

    /// Issues a token, and revokes the oldest when there are too many.
    func issueToken(to user: UserID) throws -> Token {
        var live: [(id: UInt64, created: Timestamp)] = []
        let range = UserKeys.tokens(user)
        try transaction.scan(.user, from: range.from, upTo: range.upTo, reverse: false) { key, value in
            live.append((UserKeys.lastID(key), try TokenRow(decoding: value).created))
            return true
        }
        if live.count >= UserRows.maximumTokens, let oldest = live.min(by: { $0.created < $1.created }) {
            revoke(oldest.id, of: user)
        }
        var id = transaction.random()
        while live.contains(where: { $0.id == id }) { id = transaction.random() }
        transaction.put(.user, UserKeys.token(user, id), TokenRow(created: transaction.now).encoded())
        return Token(userID: user, tokenID: id)
    }

    /// Revokes one token; sessions that identified with it are closed.
    func revoke(_ token: UInt64, of user: UserID) {
        transaction.delete(.user, UserKeys.token(user, token))
        emit(.tokensRevoked([token]), to: user)
    }

    /// Revokes every token of a user.
    func revokeAllTokens(of user: UserID) {
        let range = UserKeys.tokens(user)
        transaction.deleteRange(.user, from: range.from, upTo: range.upTo)
        emit(.tokensRevoked([]), to: user)
    }

    // MARK: Guilds

    /// Ids of the user's guilds above `after`, ascending.
    func guilds(of user: UserID, after: GuildID? = nil, limit: Int = .max) throws -> [GuildID] {
        var guilds: [GuildID] = []
        guard limit > 0 else { return [] }
        let range = UserKeys.guilds(user, after: after)
        try transaction.scan(.user, from: range.from, upTo: range.upTo, reverse: false) { key, _ in
            guilds.append(GuildID(rawValue: UserKeys.lastID(key)))
            return guilds.count < limit
        }
        return guilds
    }

    /// Enters a guild in the user's list. `false` when it stood there already.
    func addGuild(_ guild: GuildID, joinedAt: Timestamp, to user: UserID) throws -> Bool {
        let key = UserKeys.guild(user, guild)
        let isNew = try transaction.get(.user, key) == nil
        var writer = FieldWriter()
        writer.write(1, UInt64(1))
        writer.write(2, joinedAt)
        transaction.put(.user, key, writer.buffer)
        return isNew
    }

    /// Strikes a guild from the user's list. `false` when it did not stand there.
    func removeGuild(_ guild: GuildID, from user: UserID) throws -> Bool {
        let key = UserKeys.guild(user, guild)
        guard try transaction.get(.user, key) != nil else { return false }
        transaction.delete(.user, key)
        return true
    }

    // MARK: Events

    /// Tells the gateways that follow the user of a change that no client sees as such.
    func emit(_ change: ViewChange, to user: UserID) {
        transaction.emit(Event(type: "", root: .user(user), payload: ByteBuffer(), change: change))
    }
}

import Identity

/// Keys of the rows that a user's slot holds, without the slot that the runtime puts before them.
///
/// Family `user`: user id (8 bytes, big-endian), a byte for the kind of row, and for tokens and guilds their id.
/// Family `index`: a byte for the kind of entry, a byte for the kind of name, the canonical name in UTF-8.
enum UserKeys {
    private static let account: UInt8 = 0
    private static let token: UInt8 = 1
    private static let guild: UInt8 = 2
    private static let application: UInt8 = 3
    /// Directory entries among the look-ups of family `index`.
    private static let directoryEntry: UInt8 = 1

    static func account(_ user: UserID) -> [UInt8] { row(user, account) }
    static func application(_ user: UserID) -> [UInt8] { row(user, application) }
    static func token(_ user: UserID, _ token: UInt64) -> [UInt8] { row(user, self.token, token) }
    static func guild(_ user: UserID, _ guild: GuildID) -> [UInt8] { row(user, self.guild, guild.rawValue) }

    /// All tokens of a user.
    static func tokens(_ user: UserID) -> (from: [UInt8], upTo: [UInt8]) {
        (row(user, token), row(user, token + 1))
    }

    /// The guilds of a user whose ids are above `after`.
    static func guilds(_ user: UserID, after: GuildID? = nil) -> (from: [UInt8], upTo: [UInt8]) {
        let upTo = row(user, guild + 1)
        guard let after else { return (row(user, guild), upTo) }
        guard after.rawValue < .max else { return (upTo, upTo) }
        return (row(user, guild, after.rawValue + 1), upTo)
    }

    static func directoryEntry(_ name: DirectoryName) -> [UInt8] {
        [directoryEntry, UInt8(truncatingIfNeeded: name.kind.rawValue)] + Array(name.canonical.utf8)
    }

    /// The id at the end of a token's or guild's key.
    static func lastID(_ key: [UInt8]) -> UInt64 {
        key.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func row(_ user: UserID, _ kind: UInt8, _ id: UInt64? = nil) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(17)
        append(user.rawValue, to: &key)
        key.append(kind)
        if let id { append(id, to: &key) }
        return key
    }

    private static func append(_ value: UInt64, to key: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) {
            key.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }
}

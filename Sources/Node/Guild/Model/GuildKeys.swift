import Identity

/// Keys of a guild's rows, without the slot that the runtime puts before them.
///
/// Family `guild`: guild id (8 bytes, big-endian), a byte for the kind of row, and for all but the guild itself an id.
/// Family `index`: a byte for the kind of look-up, then what is looked up. Byte 1 is the directory's (target User).
enum GuildKeys {
    private static let record: UInt8 = 0
    private static let role: UInt8 = 1
    private static let channel: UInt8 = 2
    private static let member: UInt8 = 3
    private static let invite: UInt8 = 4
    private static let memberCount: UInt8 = 5
    private static let lastMessage: UInt8 = 6

    private static let channelGuild: UInt8 = 2

    typealias Range = (from: [UInt8], upTo: [UInt8])

    static func record(_ guild: GuildID) -> [UInt8] { row(guild, record) }
    static func memberCount(_ guild: GuildID) -> [UInt8] { row(guild, memberCount) }
    static func role(_ guild: GuildID, _ id: RoleID) -> [UInt8] { row(guild, role, id.rawValue) }
    static func channel(_ guild: GuildID, _ id: ChannelID) -> [UInt8] { row(guild, channel, id.rawValue) }
    static func member(_ guild: GuildID, _ id: UserID) -> [UInt8] { row(guild, member, id.rawValue) }
    static func invite(_ guild: GuildID, _ code: InviteCode) -> [UInt8] { row(guild, invite, code.random) }
    /// The row that changes with every message, kept apart from the channel's own.
    static func lastMessage(_ guild: GuildID, _ id: ChannelID) -> [UInt8] { row(guild, lastMessage, id.rawValue) }

    static func roles(_ guild: GuildID) -> Range { (row(guild, role), row(guild, role + 1)) }
    static func channels(_ guild: GuildID) -> Range { (row(guild, channel), row(guild, channel + 1)) }
    static func invites(_ guild: GuildID) -> Range { (row(guild, invite), row(guild, invite + 1)) }

    /// The members whose ids are above `after`.
    static func members(_ guild: GuildID, after: UserID) -> Range {
        let upTo = row(guild, member + 1)
        guard after.rawValue < .max else { return (upTo, upTo) }
        return (row(guild, member, after.rawValue + 1), upTo)
    }

    /// Everything of a guild in family `guild`.
    static func all(_ guild: GuildID) -> Range { (row(guild, 0), row(guild, .max)) }

    /// The look-up from a channel to its guild.
    static func guildOfChannel(_ channel: ChannelID) -> [UInt8] {
        var key = [channelGuild]
        append(channel.rawValue, to: &key)
        return key
    }

    /// The look-up from an invite to its guild.
    static func guildOfInvite(_ code: InviteCode) -> [UInt8] {
        var key = [inviteGuild]
        append(code.random, to: &key)
        return key
    }

    private static let inviteGuild: UInt8 = 3

    private static func row(_ guild: GuildID, _ kind: UInt8, _ id: UInt64? = nil) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(17)
        append(guild.rawValue, to: &key)
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

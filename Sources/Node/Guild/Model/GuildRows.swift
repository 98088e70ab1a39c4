import Domain
import Identity
import NIOCore
import Wire

/// The guilds of a slot, read and written within one command; decoded ones are kept in the slot's caches.
struct GuildRows {
    let transaction: any SlotTransaction

    init(_ transaction: any SlotTransaction) { self.transaction = transaction }

    private final class Cache {
        static let maximumGuilds = 1024
        static let maximumMembers = 16_384
        static let maximumChannels = 16_384

        struct MemberKey: Hashable {
            let guild: GuildID
            let user: UserID
        }

        var guilds: [GuildID: GuildAggregate] = [:]
        var members: [MemberKey: Member] = [:]
        var lastMessages: [ChannelID: MessageID?] = [:]
    }

    private var cache: Cache { transaction.caches.cache(Cache.self) { Cache() } }

    // MARK: Guilds

    func guild(_ id: GuildID) throws -> GuildAggregate? {
        let cache = cache
        if let guild = cache.guilds[id] { return guild }
        guard let row = try transaction.get(.guild, GuildKeys.record(id)) else { return nil }
        var guild = GuildAggregate(record: try GuildRecord(decoding: row), roles: [:], channels: [:])
        let roles = GuildKeys.roles(id)
        try transaction.scan(.guild, from: roles.from, upTo: roles.upTo, reverse: false) { _, value in
            let role = try Role(decoding: value)
            guild.roles[role.id] = role
            return true
        }
        let channels = GuildKeys.channels(id)
        try transaction.scan(.guild, from: channels.from, upTo: channels.upTo, reverse: false) { _, value in
            let channel = try Channel(decoding: value)
            guild.channels[channel.id] = channel
            return true
        }
        keep(guild, in: cache)
        return guild
    }

    private func keep(_ guild: GuildAggregate, in cache: Cache) {
        if cache.guilds.count >= Cache.maximumGuilds, cache.guilds[guild.id] == nil { cache.guilds.removeAll() }
        cache.guilds[guild.id] = guild
    }

    /// Writes the guild's own fields.
    func put(_ record: GuildRecord, in guild: inout GuildAggregate) {
        guild.record = record
        transaction.put(.guild, GuildKeys.record(guild.id), record.encoded())
        keep(guild, in: cache)
    }

    func put(_ role: Role, in guild: inout GuildAggregate) {
        guild.roles[role.id] = role
        transaction.put(.guild, GuildKeys.role(guild.id, role.id), role.encoded())
        keep(guild, in: cache)
    }

    func delete(_ role: RoleID, in guild: inout GuildAggregate) {
        guild.roles[role] = nil
        transaction.delete(.guild, GuildKeys.role(guild.id, role))
        keep(guild, in: cache)
    }

    func put(_ channel: Channel, in guild: inout GuildAggregate) {
        if guild.channels.updateValue(channel, forKey: channel.id) == nil {
            transaction.put(.index, GuildKeys.guildOfChannel(channel.id), guildReference(guild.id))
        }
        transaction.put(.guild, GuildKeys.channel(guild.id, channel.id), channel.encoded())
        keep(guild, in: cache)
    }

    func delete(_ channel: ChannelID, in guild: inout GuildAggregate) {
        guild.channels[channel] = nil
        transaction.delete(.guild, GuildKeys.channel(guild.id, channel))
        transaction.delete(.guild, GuildKeys.lastMessage(guild.id, channel))
        transaction.delete(.index, GuildKeys.guildOfChannel(channel))
        let cache = cache
        cache.lastMessages[channel] = nil
        keep(guild, in: cache)
    }

    /// Deletes the guild's own row: from now on it does not exist. Its other rows are the caller's to delete.
    func deleteRecord(of guild: GuildID) {
        transaction.delete(.guild, GuildKeys.record(guild))
        cache.guilds[guild] = nil
    }

    // MARK: Look-ups

    /// The guild that a channel is in.
    func guildID(of channel: ChannelID) throws -> GuildID? {
        try guildID(at: GuildKeys.guildOfChannel(channel))
    }

    private func guildID(at key: [UInt8]) throws -> GuildID? {
        try transaction.get(.index, key).map { GuildID(rawValue: try NumberRow(decoding: $0).number) }
    }

    private func guildReference(_ guild: GuildID) -> ByteBuffer { NumberRow(guild.rawValue).encoded() }

    // MARK: Last messages

    /// `last_message_id` of a channel.
    func lastMessageID(of channel: ChannelID, in guild: GuildID) throws -> MessageID? {
        let cache = cache
        if let known = cache.lastMessages[channel] { return known }
        let id = try transaction.get(.guild, GuildKeys.lastMessage(guild, channel)).map {
            MessageID(rawValue: try NumberRow(decoding: $0).number)
        }
        keep(id, of: channel, in: cache)
        return id
    }

    func putLastMessageID(_ id: MessageID, of channel: ChannelID, in guild: GuildID) {
        transaction.put(.guild, GuildKeys.lastMessage(guild, channel), NumberRow(id.rawValue).encoded())
        keep(id, of: channel, in: cache)
    }

    private func keep(_ id: MessageID?, of channel: ChannelID, in cache: Cache) {
        if cache.lastMessages.count >= Cache.maximumChannels { cache.lastMessages.removeAll() }
        cache.lastMessages[channel] = .some(id)
    }

    // MARK: Members

    func member(_ user: UserID, of guild: GuildID) throws -> Member? {
        let cache = cache
        let key = Cache.MemberKey(guild: guild, user: user)
        if let member = cache.members[key] { return member }
        guard let row = try transaction.get(.guild, GuildKeys.member(guild, user)) else { return nil }
        let member = try Member(decoding: row)
        keep(member, as: key, in: cache)
        return member
    }

    /// Writes a member who is there already.
    func put(_ member: Member, of guild: GuildID) {
        transaction.put(.guild, GuildKeys.member(guild, member.userID), member.encoded())
        keep(member, as: Cache.MemberKey(guild: guild, user: member.userID), in: cache)
    }

    /// Writes a new member and counts them.
    func add(_ member: Member, to guild: GuildID) throws {
        put(member, of: guild)
        putMemberCount(try memberCount(of: guild) + 1, of: guild)
    }

    /// Deletes a member's row and counts one less.
    func remove(_ user: UserID, from guild: GuildID) throws {
        deleteMember(user, of: guild)
        putMemberCount(max(0, try memberCount(of: guild) - 1), of: guild)
    }

    /// Deletes a member's row alone: for a guild that is being deleted, whose count nobody asks for.
    func deleteMember(_ user: UserID, of guild: GuildID) {
        transaction.delete(.guild, GuildKeys.member(guild, user))
        cache.members[Cache.MemberKey(guild: guild, user: user)] = nil
    }

    /// At most `limit` members with ids above `after`, in the order of ids.
    func members(of guild: GuildID, after: UserID = UserID(rawValue: 0), limit: Int) throws -> [Member] {
        try GuildRows.members(of: guild, after: after, limit: limit, in: transaction)
    }

    static func members(of guild: GuildID, after: UserID, limit: Int, in rows: any RowReader) throws -> [Member] {
        let range = GuildKeys.members(guild, after: after)
        var members: [Member] = []
        try rows.scan(.guild, from: range.from, upTo: range.upTo, reverse: false) { _, value in
            members.append(try Member(decoding: value))
            return members.count < limit
        }
        return members
    }

    func memberCount(of guild: GuildID) throws -> Int {
        guard let row = try transaction.get(.guild, GuildKeys.memberCount(guild)) else { return 0 }
        // Far from where adding to it could overflow.
        guard let count = Int32(exactly: try NumberRow(decoding: row).number) else { throw FieldError.invalidField(2) }
        return Int(count)
    }

    private func putMemberCount(_ count: Int, of guild: GuildID) {
        transaction.put(.guild, GuildKeys.memberCount(guild), NumberRow(UInt64(max(0, count))).encoded())
    }

    private func keep(_ member: Member, as key: Cache.MemberKey, in cache: Cache) {
        if cache.members.count >= Cache.maximumMembers { cache.members.removeAll(keepingCapacity: true) }
        cache.members[key] = member
    }

    // MARK: Invites

    func invite(_ code: InviteCode) throws -> Invite? {
        guard let guild = try guildID(at: GuildKeys.guildOfInvite(code)) else { return nil }
        return try transaction.get(.guild, GuildKeys.invite(guild, code)).map { try Invite(decoding: $0) }
    }

    func put(_ invite: Invite) {
        transaction.put(.guild, GuildKeys.invite(invite.guildID, invite.code), invite.encoded())
        transaction.put(.index, GuildKeys.guildOfInvite(invite.code), guildReference(invite.guildID))
    }

    func delete(_ invite: Invite) {
        transaction.delete(.guild, GuildKeys.invite(invite.guildID, invite.code))
        transaction.delete(.index, GuildKeys.guildOfInvite(invite.code))
    }

    /// All invites of a guild, those that are over among them.
    func invites(of guild: GuildID) throws -> [Invite] {
        let range = GuildKeys.invites(guild)
        var invites: [Invite] = []
        try transaction.scan(.guild, from: range.from, upTo: range.upTo, reverse: false) { _, value in
            invites.append(try Invite(decoding: value))
            return true
        }
        return invites
    }
}

import Identity
import NIOCore

/// A change to what a gateway keeps of an entity in order to filter its events (DESIGN §10, visibility classes).
public enum ViewChange: Hashable, Sendable, FieldCodable {
    // A guild's.
    case owner(UserID)
    case role(RoleView)
    case roleDeleted(RoleID)
    case channel(ChannelView)
    case channelDeleted(ChannelID)
    /// A member joined or got other roles.
    case member(MemberView)
    /// A member left or was removed: their sessions get nothing of the guild after this event.
    case memberRemoved(UserID)
    case guildDeleted

    // A user's.
    case guildJoined(GuildID)
    /// The user's sessions get GUILD_DELETE for it.
    case guildLeft(GuildID)
    /// Sessions that identified with one of these tokens are closed with 4004; an empty list means all.
    case tokensRevoked([UInt64])

    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .owner(let id): writer.write(1, id)
        case .role(let role): writer.write(2, role)
        case .roleDeleted(let id): writer.write(3, id)
        case .channel(let channel): writer.write(4, channel)
        case .channelDeleted(let id): writer.write(5, id)
        case .member(let member): writer.write(6, member)
        case .memberRemoved(let id): writer.write(7, id)
        case .guildDeleted: writer.write(8, true)
        case .guildJoined(let id): writer.write(9, id)
        case .guildLeft(let id): writer.write(10, id)
        case .tokensRevoked(let tokens):
            writer.write(11) { for token in tokens { $0.write(1, fixed: token) } }
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var change: ViewChange?
        while let field = try reader.next() {
            switch field.number {
            case 1: change = .owner(try field.id())
            case 2: change = .role(try field.message())
            case 3: change = .roleDeleted(try field.id())
            case 4: change = .channel(try field.message())
            case 5: change = .channelDeleted(try field.id())
            case 6: change = .member(try field.message())
            case 7: change = .memberRemoved(try field.id())
            case 8: change = .guildDeleted
            case 9: change = .guildJoined(try field.id())
            case 10: change = .guildLeft(try field.id())
            case 11:
                var tokens: [UInt64] = []
                var inner = try field.message()
                while let token = try inner.next() {
                    if token.number == 1 { tokens.append(try token.fixed()) }
                }
                change = .tokensRevoked(tokens)
            default: break
            }
        }
        self = try change.required(1)
    }
}

/// What filtering needs of a role.
public struct RoleView: Hashable, Sendable, FieldCodable {
    public var id: RoleID
    public var permissions: UInt64

    public init(id: RoleID, permissions: UInt64) {
        self.id = id
        self.permissions = permissions
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, id)
        writer.write(2, permissions)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: RoleID?
        var permissions: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try field.id()
            case 2: permissions = try field.uint64()
            default: break
            }
        }
        self.init(id: try id.required(1), permissions: permissions)
    }
}

/// A permission overwrite of a channel (Discord, "Overwrite object").
public struct Overwrite: Hashable, Sendable, FieldCodable {
    /// A role's or a user's id, as ``isMember`` says.
    public var id: Snowflake
    public var isMember: Bool
    public var allow: UInt64
    public var deny: UInt64

    public init(id: Snowflake, isMember: Bool, allow: UInt64, deny: UInt64) {
        self.id = id
        self.isMember = isMember
        self.allow = allow
        self.deny = deny
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, id)
        writer.write(2, isMember)
        writer.write(3, allow)
        writer.write(4, deny)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: Snowflake?
        self.init(id: Snowflake(rawValue: 0), isMember: false, allow: 0, deny: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try field.snowflake()
            case 2: isMember = try field.bool()
            case 3: allow = try field.uint64()
            case 4: deny = try field.uint64()
            default: break
            }
        }
        self.id = try id.required(1)
    }
}

/// What filtering needs of a channel, and its JSON for GUILD_CREATE.
public struct ChannelView: Hashable, Sendable, FieldCodable {
    public var id: ChannelID
    public var overwrites: [Overwrite]
    /// The channel object as GUILD_CREATE shows it.
    public var json: ByteBuffer

    public init(id: ChannelID, overwrites: [Overwrite], json: ByteBuffer) {
        self.id = id
        self.overwrites = overwrites
        self.json = json
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, id)
        for overwrite in overwrites { writer.write(2, overwrite) }
        writer.write(3, json)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: ChannelID?
        self.init(id: ChannelID(rawValue: 0), overwrites: [], json: ByteBuffer())
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try field.id()
            case 2: overwrites.append(try field.message())
            case 3: json = try field.bytes()
            default: break
            }
        }
        self.id = try id.required(1)
    }
}

/// What filtering needs of a member, and its JSON for GUILD_CREATE.
public struct MemberView: Hashable, Sendable, FieldCodable {
    public var userID: UserID
    /// Without @everyone.
    public var roles: [RoleID]
    /// The guild's own `joined_at` for this member's sessions.
    public var joinedAt: Timestamp
    /// The member object with its user.
    public var json: ByteBuffer

    public init(userID: UserID, roles: [RoleID], joinedAt: Timestamp, json: ByteBuffer) {
        self.userID = userID
        self.roles = roles
        self.joinedAt = joinedAt
        self.json = json
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, userID)
        for role in roles { writer.write(2, role) }
        writer.write(3, joinedAt)
        writer.write(4, json)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var userID: UserID?
        self.init(
            userID: UserID(rawValue: 0), roles: [], joinedAt: Timestamp(milliseconds: 0), json: ByteBuffer())
        while let field = try reader.next() {
            switch field.number {
            case 1: userID = try field.id()
            case 2: roles.append(try field.id())
            case 3: joinedAt = try field.timestamp()
            case 4: json = try field.bytes()
            default: break
            }
        }
        self.userID = try userID.required(1)
    }
}

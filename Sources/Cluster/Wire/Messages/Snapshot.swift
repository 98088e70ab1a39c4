import Identity
import NIOCore

/// A guild as a gateway needs it to build GUILD_CREATE and to filter what follows.
public struct GuildSnapshot: Hashable, Sendable, FieldCodable {
    public var id: GuildID
    public var owner: UserID
    public var roles: [RoleView]
    public var channels: [ChannelView]
    /// The members of the GUILD_CREATE object that are the same for every session, without braces: all but `channels`,
    /// `threads`, `members`, `presences`, `voice_states`, `joined_at`, `large`, `member_count`, `unavailable`.
    public var head: ByteBuffer
    /// All members of a small guild; of a large one, the member who was asked for.
    public var members: [MemberView]
    public var memberCount: Int

    public init(
        id: GuildID, owner: UserID, roles: [RoleView], channels: [ChannelView], head: ByteBuffer,
        members: [MemberView], memberCount: Int
    ) {
        self.id = id
        self.owner = owner
        self.roles = roles
        self.channels = channels
        self.head = head
        self.members = members
        self.memberCount = memberCount
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, id)
        writer.write(2, owner)
        for role in roles { writer.write(3, role) }
        for channel in channels { writer.write(4, channel) }
        writer.write(5, head)
        for member in members { writer.write(6, member) }
        writer.write(7, memberCount)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: GuildID?
        var owner: UserID?
        self.init(
            id: GuildID(rawValue: 0), owner: UserID(rawValue: 0), roles: [], channels: [], head: ByteBuffer(),
            members: [], memberCount: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try field.id()
            case 2: owner = try field.id()
            case 3: roles.append(try field.message())
            case 4: channels.append(try field.message())
            case 5: head = try field.bytes()
            case 6: members.append(try field.message())
            case 7: memberCount = try field.int()
            default: break
            }
        }
        self.id = try id.required(1)
        self.owner = try owner.required(2)
    }
}

/// A user as a gateway needs it to build READY.
public struct UserSnapshot: Hashable, Sendable, FieldCodable {
    public var profile: UserProfile
    /// READY's `user`: the private user object.
    public var userJSON: ByteBuffer
    /// READY's `application` (`id` and `flags`); absent for user accounts.
    public var applicationJSON: ByteBuffer?
    public var guilds: [GuildID]

    public init(profile: UserProfile, userJSON: ByteBuffer, applicationJSON: ByteBuffer?, guilds: [GuildID]) {
        self.profile = profile
        self.userJSON = userJSON
        self.applicationJSON = applicationJSON
        self.guilds = guilds
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, profile)
        writer.write(2, userJSON)
        writer.write(3, ifPresent: applicationJSON)
        for guild in guilds { writer.write(4, guild) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var profile: UserProfile?
        var userJSON = ByteBuffer()
        var applicationJSON: ByteBuffer?
        var guilds: [GuildID] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: profile = try field.message()
            case 2: userJSON = try field.bytes()
            case 3: applicationJSON = try field.bytes()
            case 4: guilds.append(try field.id())
            default: break
            }
        }
        self.init(
            profile: try profile.required(1), userJSON: userJSON, applicationJSON: applicationJSON, guilds: guilds)
    }
}

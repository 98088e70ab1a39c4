import Identity

/// Who makes a request: the user behind a verified token, with what other entities keep of a profile.
public struct Actor: Hashable, Sendable, FieldCodable {
    public var profile: UserProfile
    /// The token used; revoked by `auth/logout`.
    public var tokenID: UInt64

    public init(profile: UserProfile, tokenID: UInt64) {
        self.profile = profile
        self.tokenID = tokenID
    }

    public var userID: UserID { profile.id }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, profile)
        writer.write(2, fixed: tokenID)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var profile: UserProfile?
        var tokenID: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: profile = try field.message()
            case 2: tokenID = try field.fixed()
            default: break
            }
        }
        self.init(profile: try profile.required(1), tokenID: tokenID)
    }
}

/// The public part of a user: what a partial user object of Discord's API shows, and what guilds keep of their members.
public struct UserProfile: Hashable, Sendable, FieldCodable {
    public var id: UserID
    public var username: String
    public var globalName: String?
    /// The hash of an image on the CDN.
    public var avatar: String?
    public var isBot: Bool
    /// Discord's public flags.
    public var publicFlags: UInt64
    /// Rises with each change at the user's slot, so that an older copy never replaces a newer one.
    public var version: UInt64

    public init(
        id: UserID, username: String, globalName: String? = nil, avatar: String? = nil, isBot: Bool = false,
        publicFlags: UInt64 = 0, version: UInt64 = 1
    ) {
        self.id = id
        self.username = username
        self.globalName = globalName
        self.avatar = avatar
        self.isBot = isBot
        self.publicFlags = publicFlags
        self.version = version
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, id)
        writer.write(2, username)
        writer.write(3, ifPresent: globalName)
        writer.write(4, ifPresent: avatar)
        writer.write(5, isBot)
        writer.write(6, publicFlags)
        writer.write(7, version)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: UserID?
        self.init(id: UserID(rawValue: 0), username: "")
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try field.id()
            case 2: username = try field.string()
            case 3: globalName = try field.string()
            case 4: avatar = try field.string()
            case 5: isBot = try field.bool()
            case 6: publicFlags = try field.uint64()
            case 7: version = try field.uint64()
            default: break
            }
        }
        self.id = try id.required(1)
    }
}

import Wire

extension JSONWriter {
    /// The public user object (Discord, "User object"; UserResponse of the OpenAPI document).
    public mutating func user(_ profile: UserProfile) {
        object { $0.userMembers(profile) }
    }

    public mutating func member(_ name: StaticString, user profile: UserProfile) {
        self.name(name)
        user(profile)
    }

    /// The members of the public user object without its braces, so that a private one may add to them.
    public mutating func userMembers(_ profile: UserProfile) {
        member("id", profile.id)
        member("username", profile.username)
        member("global_name", profile.globalName)
        member("avatar", profile.avatar)
        member("discriminator", "0")
        member("public_flags", Int(truncatingIfNeeded: profile.publicFlags))
        member("flags", Int(truncatingIfNeeded: profile.publicFlags))
        if profile.isBot { member("bot", true) }
        memberNull("banner")
        memberNull("accent_color")
        memberNull("avatar_decoration_data")
        memberNull("primary_guild")
    }
}

extension RestReply {
    /// An answer with a JSON body.
    public static func json(_ status: Int = 200, _ write: (inout JSONWriter) -> Void) -> RestReply {
        var writer = JSONWriter()
        write(&writer)
        return RestReply(status: status, body: writer.buffer)
    }

    /// 204 without a body.
    public static let noContent = RestReply(status: 204)
}

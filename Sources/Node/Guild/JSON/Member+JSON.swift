import Domain
import Identity
import Wire

extension JSONWriter {
    /// GuildMemberResponse of the OpenAPI document.
    mutating func member(_ member: Member, of guild: GuildAggregate) {
        object { $0.memberMembers(member, of: guild) }
    }

    /// A member object without its braces, so that events may add to it.
    ///
    /// - Parameter withUser: MESSAGE_CREATE carries the author's member without `user`.
    mutating func memberMembers(_ member: Member, of guild: GuildAggregate, withUser: Bool = true) {
        if withUser { self.member("user", user: member.profile) }
        self.member("nick", member.nick)
        memberNull("avatar")
        memberNull("banner")
        self.member(
            "roles",
            array: { json in
                for role in guild.roleIDs(of: member) { json.snowflake(role.snowflake) }
            })
        self.member("joined_at", member.joinedAt)
        memberNull("premium_since")
        self.member("deaf", false)
        self.member("mute", false)
        self.member("pending", false)
        self.member("flags", Int(truncatingIfNeeded: member.flags))
        self.member("communication_disabled_until", member.communicationDisabledUntil)
    }
}

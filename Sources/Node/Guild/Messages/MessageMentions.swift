import Domain
import Identity
import Wire

/// Whom a message really mentions: those in its text who are there, whom its author may mention and lets be mentioned.
struct MessageMentions {
    var users: [Member] = []
    var roles: [RoleID] = []
    var isEveryone = false

    /// - Parameters:
    ///   - permissions: the author's in the channel.
    ///   - allowed: the client's `allowed_mentions`; without them everything goes, the author of the message replied
    ///     to included.
    ///   - repliedTo: that author.
    init(
        in content: String, allowed: AllowedMentions?, repliedTo: UserID?, author: UserID, permissions: Permissions,
        guild: GuildAggregate, rows: GuildRows
    ) throws {
        let parsed = MentionParser(content)
        let mayMentionAll = permissions.contains(.mentionEveryone)
        isEveryone = parsed.hasEveryone && mayMentionAll && allowed?.allowsEveryone ?? true
        roles = parsed.roles.filter { id in
            guard let role = guild.roles[id], id != guild.everyoneID else { return false }
            return (role.isMentionable || mayMentionAll) && allowed?.allows(id) ?? true
        }
        var ids = parsed.users.filter { allowed?.allows($0) ?? true }
        let mentionsReplied = allowed.map { $0.repliedUser ?? false } ?? true
        if let repliedTo, repliedTo != author, mentionsReplied, !ids.contains(repliedTo) { ids.append(repliedTo) }
        for id in ids {
            if let member = try rows.member(id, of: guild.id) { users.append(member) }
        }
    }
}

import Domain
import Identity

extension JSONWriter {
    /// The members of GuildInviteResponse of the OpenAPI document, without braces.
    mutating func inviteMembers(_ invite: Invite, to guild: GuildAggregate) {
        member("type", 0)
        member("code", invite.code.description)
        member("inviter", user: invite.inviter)
        member("expires_at", invite.expiresAt)
        member("flags", 0)
        member("guild_id", invite.guildID)
        member("guild", object: { $0.guildPreviewMembers(guild.record) })
        if let channel = guild.channels[invite.channelID] {
            member(
                "channel",
                object: { json in
                    json.member("id", channel.id)
                    json.member("type", channel.kind.rawValue)
                    json.member("name", channel.name)
                })
        }
    }

    /// What those see of an invite who may manage it, without braces.
    mutating func inviteMetadataMembers(_ invite: Invite) {
        member("uses", invite.uses)
        member("max_uses", invite.maxUses)
        member("max_age", invite.maxAge)
        member("temporary", invite.isTemporary)
        member("created_at", invite.createdAt)
    }
}

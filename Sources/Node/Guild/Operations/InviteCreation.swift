import Domain
import Identity
import Wire

/// `POST /channels/{channel_id}/invites`.
enum InviteCreation {
    struct Body: Decodable {
        /// Seconds; 0 for ever.
        var maxAge: Int?
        /// 0 for any number.
        var maxUses: Int?
        var temporary: Bool?
        /// Whether an equal invite of the actor must not be given out again.
        var unique: Bool?

        enum CodingKeys: String, CodingKey {
            case temporary, unique
            case maxAge = "max_age"
            case maxUses = "max_uses"
        }
    }

    static let defaultAge = 86_400

    static func create(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try ChannelAccess(request, transaction)
        try access.require(.createInstantInvite)
        let body: Body = try request.decodeBody()
        var validation = Validation()
        validation.number(body.maxAge, in: 0...GuildLimits.inviteAge, at: "max_age")
        validation.number(body.maxUses, in: 0...GuildLimits.inviteUses, at: "max_uses")
        try validation.finish()
        guard access.channel.kind == .text else { throw APIError.wrongChannelType }
        var invite = Invite(
            code: InviteCode(slot: transaction.slot, random: transaction.random()), guildID: access.guild.id,
            channelID: access.channel.id, inviter: access.member.profile, createdAt: transaction.now,
            maxAge: body.maxAge ?? defaultAge, maxUses: body.maxUses ?? 0, isTemporary: body.temporary ?? false)
        let others = try livingInvites(access)
        if body.unique != true, let equal = others.first(where: { isEqual($0, to: invite) }) {
            return reply(equal, access)
        }
        guard others.count < GuildLimits.invites else {
            throw APIError.maximum(30016, "invites", GuildLimits.invites)
        }
        // 49 random bits: a code that is taken is as good as impossible, but would take the place of another invite.
        while try access.rows.invite(invite.code) != nil {
            invite.code = InviteCode(slot: transaction.slot, random: transaction.random())
        }
        access.rows.put(invite)
        access.access.events.inviteCreated(invite)
        return reply(invite, access)
    }

    /// The guild's invites that still let somebody in; the others are deleted on the way.
    private static func livingInvites(_ access: ChannelAccess) throws -> [Invite] {
        try access.rows.invites(of: access.guild.id).filter { invite in
            let isValid = invite.isValid(at: access.access.now)
            if !isValid { access.rows.delete(invite) }
            return isValid
        }
    }

    private static func isEqual(_ other: Invite, to invite: Invite) -> Bool {
        other.channelID == invite.channelID && other.inviter.id == invite.inviter.id && other.maxAge == invite.maxAge
            && other.maxUses == invite.maxUses && other.isTemporary == invite.isTemporary
    }

    private static func reply(_ invite: Invite, _ access: ChannelAccess) -> Outcome {
        .reply(
            .json {
                $0.object {
                    $0.inviteMembers(invite, to: access.guild)
                    $0.inviteMetadataMembers(invite)
                }
            })
    }
}

extension APIError {
    static let wrongChannelType = APIError(
        status: 400, code: 50024, message: "Cannot execute action on this channel type")
}

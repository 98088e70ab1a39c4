import Domain
import Identity
import Wire

/// Operations on invites.
enum InviteOperations {
    static let operations: [String: OperationHandler] = [
        "create_channel_invite": InviteCreation.create,
        "list_channel_invites": listOfChannel,
        "list_guild_invites": listOfGuild,
        "invite_resolve": resolve,
        "invite_revoke": revoke,
        "accept_invite": accept,
    ]

    static func listOfChannel(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try ChannelAccess(request, transaction)
        try access.require(.manageChannels)
        return try list(access.access) { $0.channelID == access.channel.id }
    }

    static func listOfGuild(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let access = try GuildAccess(request, transaction)
        try access.require(.manageGuild)
        return try list(access) { _ in true }
    }

    private static func list(_ access: GuildAccess, _ isWanted: (Invite) -> Bool) throws -> Outcome {
        let invites = try access.rows.invites(of: access.guild.id).filter {
            $0.isValid(at: access.now) && isWanted($0)
        }.sorted { $0.createdAt < $1.createdAt }
        return .reply(
            .json {
                $0.array { json in
                    for invite in invites {
                        json.object {
                            $0.inviteMembers(invite, to: access.guild)
                            $0.inviteMetadataMembers(invite)
                        }
                    }
                }
            })
    }

    /// The invite that the path names, and its guild. An invite that is over is unknown.
    private static func pathInvite(_ request: RestRequest, _ rows: GuildRows) throws -> (Invite, GuildAggregate) {
        guard let code = InviteCode(request.parameters["code"] ?? ""), code.slot == rows.transaction.slot,
            let invite = try rows.invite(code), invite.isValid(at: rows.transaction.now),
            let guild = try rows.guild(invite.guildID)
        else { throw APIError.unknownInvite }
        return (invite, guild)
    }

    /// `GET /invites/{code}`: for everybody, with a token or without.
    static func resolve(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let rows = GuildRows(transaction)
        let (invite, guild) = try pathInvite(request, rows)
        let memberCount = try request.queryBool("with_counts") ? try rows.memberCount(of: guild.id) : nil
        return .reply(
            .json {
                $0.object { json in
                    json.inviteMembers(invite, to: guild)
                    if let memberCount { json.approximateCounts(memberCount: memberCount) }
                }
            })
    }

    /// `DELETE /invites/{code}`.
    static func revoke(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let rows = GuildRows(transaction)
        _ = try request.requiredActor()
        let (invite, guild) = try pathInvite(request, rows)
        let access = try GuildAccess(of: guild.id, request, transaction)
        let inChannel = guild.channels[invite.channelID].map {
            guild.permissions(of: access.member, in: $0, at: transaction.now)
        }
        guard access.permissions.contains(.manageGuild) || inChannel?.contains(.manageChannels) == true else {
            throw APIError.missingPermissions
        }
        rows.delete(invite)
        access.events.inviteDeleted(invite)
        return .reply(.json { $0.object { $0.inviteMembers(invite, to: guild) } })
    }

    /// `POST /invites/{code}`: makes the actor a member; nothing changes for one who is.
    static func accept(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        let rows = GuildRows(transaction)
        let actor = try request.requiredActor()
        guard !actor.profile.isBot else { throw APIError.botsNotAllowed }
        let (invite, guild) = try pathInvite(request, rows)
        let isNew = try rows.member(actor.userID, of: guild.id) == nil
        if isNew {
            try Membership(rows).add(actor.profile, to: guild)
            count(invite, rows)
        }
        return .reply(
            .json {
                $0.object { json in
                    json.inviteMembers(invite, to: guild)
                    json.member("new_member", isNew)
                }
            })
    }

    /// Counts a use; with the last one the invite is over.
    private static func count(_ invite: Invite, _ rows: GuildRows) {
        var invite = invite
        invite.uses += 1
        if invite.isValid(at: rows.transaction.now) {
            rows.put(invite)
        } else {
            rows.delete(invite)
            GuildEvents(rows).inviteDeleted(invite)
        }
    }
}

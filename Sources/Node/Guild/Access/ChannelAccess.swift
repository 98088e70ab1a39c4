import Domain
import Identity
import Wire

/// A channel as a request's actor, who may view it, reaches it.
struct ChannelAccess {
    var access: GuildAccess
    let channel: Channel
    /// The actor's in the channel, as a time-out leaves them.
    let permissions: Permissions

    var rows: GuildRows { access.rows }
    var guild: GuildAggregate { access.guild }
    var member: Member { access.member }

    /// The channel that the path names.
    ///
    /// - Throws: ``APIError/unknownChannel`` when there is none, ``APIError/missingAccess`` to those who are not
    ///   members or may not view it.
    init(_ request: RestRequest, _ transaction: any SlotTransaction) throws {
        let id: ChannelID = try request.pathID("channel_id")
        guard let guild = try GuildRows(transaction).guildID(of: id) else { throw APIError.unknownChannel }
        try self.init(GuildAccess(of: guild, request, transaction), id)
    }

    /// A channel of a guild that the actor is a member of.
    init(_ access: GuildAccess, _ id: ChannelID) throws {
        guard let channel = access.guild.channels[id] else { throw APIError.unknownChannel }
        self.access = access
        self.channel = channel
        permissions = access.guild.permissions(of: access.member, in: channel, at: access.now)
        guard permissions.contains(.viewChannel) else { throw APIError.missingAccess }
    }

    /// - Throws: ``APIError/missingPermissions`` when the actor lacks one of `needed` in the channel.
    func require(_ needed: Permissions) throws(APIError) {
        guard permissions.isSuperset(of: needed) else { throw .missingPermissions }
    }
}

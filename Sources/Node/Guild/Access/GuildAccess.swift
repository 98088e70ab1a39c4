import Domain
import Identity
import Wire

/// A guild as a request's actor, one of its members, reaches it.
struct GuildAccess {
    let rows: GuildRows
    let request: RestRequest
    var guild: GuildAggregate
    /// The actor's.
    let member: Member
    /// The actor's in the guild, as a time-out leaves them.
    let permissions: Permissions

    var transaction: any SlotTransaction { rows.transaction }
    var now: Timestamp { transaction.now }
    var isOwner: Bool { guild.isOwner(member.userID) }
    var events: GuildEvents { GuildEvents(rows) }

    /// The guild that the path names.
    ///
    /// - Parameter outsider: the answer to those who are not members.
    /// - Throws: ``APIError/unknownGuild`` when there is no such guild.
    init(
        _ request: RestRequest, _ transaction: any SlotTransaction, outsider: APIError = .missingAccess
    ) throws {
        try self.init(of: try request.pathID("guild_id"), request, transaction, outsider: outsider)
    }

    init(
        of id: GuildID, _ request: RestRequest, _ transaction: any SlotTransaction,
        outsider: APIError = .missingAccess
    ) throws {
        let rows = GuildRows(transaction)
        let actor = try request.requiredActor()
        guard let guild = try rows.guild(id) else { throw APIError.unknownGuild }
        guard let member = try rows.member(actor.userID, of: id) else { throw outsider }
        self.rows = rows
        self.request = request
        self.guild = guild
        self.member = member
        permissions = guild.permissions(of: member, at: transaction.now)
    }

    /// - Throws: ``APIError/missingPermissions`` when the actor lacks one of `needed`.
    func require(_ needed: Permissions) throws(APIError) {
        guard permissions.isSuperset(of: needed) else { throw .missingPermissions }
    }

    /// - Throws: ``APIError/missingPermissions`` when the role is not below the actor's highest.
    func requireAbove(_ role: Role) throws(APIError) {
        guard guild.outranks(member, role: role) else { throw .missingPermissions }
    }

    /// - Throws: ``APIError/missingPermissions`` when the member is not below the actor.
    func requireAbove(_ other: Member) throws(APIError) {
        guard guild.outranks(member, other) else { throw .missingPermissions }
    }

    /// Who may give permissions has them.
    func requireHeld(_ granted: Permissions) throws(APIError) {
        guard permissions.isSuperset(of: granted) else { throw .missingPermissions }
    }

    /// The role that the path names.
    func pathRole() throws -> Role {
        guard let role = guild.roles[try request.pathID("role_id")] else { throw APIError.unknownRole }
        return role
    }

    /// The member that the path names.
    func pathMember() throws -> Member {
        if request.parameters["user_id"] == "@me" { return member }
        guard let member = try rows.member(try request.pathID("user_id"), of: guild.id) else {
            throw APIError.unknownMember
        }
        return member
    }
}

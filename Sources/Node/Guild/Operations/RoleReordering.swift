import Domain
import Identity
import Wire

/// `PATCH /guilds/{guild_id}/roles`: positions of several roles at once.
///
/// The roles are sorted by their new positions and numbered from 1, so that no two share one afterwards. A role that is
/// moved up comes above the one in whose place it goes, a role that is moved down below it.
enum RoleReordering {
    struct Move: Decodable {
        var id: RoleID
        var position: Int?
    }

    static func reorder(_ request: RestRequest, _ transaction: any SlotTransaction) throws -> Outcome {
        var access = try GuildAccess(request, transaction)
        try access.require(.manageRoles)
        let moves: [Move] = try request.decodeBody()
        var validation = Validation()
        validation.count(moves.count, in: 0...GuildLimits.roles, at: "_")
        for (index, move) in moves.enumerated() {
            validation.number(move.position, in: 0...Int(Int32.max), at: "\(index)", "position")
            if move.id == access.guild.everyoneID, move.position ?? 0 != 0 {
                validation.fail(
                    at: "\(index)", "position", code: "NUMBER_TYPE_MAX",
                    message: "int value should be less than or equal to 0.")
            }
        }
        try validation.finish()
        for role in try reordered(moves, in: access) where role != access.guild.roles[role.id] {
            access.rows.put(role, in: &access.guild)
            access.events.roleUpdated(role, in: access.guild.id)
        }
        return .reply(RoleOperations.reply(access.guild.rolesInOrder))
    }

    /// All roles but @everyone with their new positions.
    ///
    /// - Throws: ``APIError/missingPermissions`` when anything changes from the actor's highest role upwards.
    private static func reordered(_ moves: [Move], in access: GuildAccess) throws -> [Role] {
        let guild = access.guild
        var wanted: [RoleID: Int] = [:]
        for move in moves where move.id != guild.everyoneID {
            guard guild.roles[move.id] != nil else { throw APIError.unknownRole }
            if let position = move.position { wanted[move.id] = max(1, position) }
        }
        let before = guild.rolesInOrder.filter { $0.id != guild.everyoneID }
        let after = before.enumerated().map { place, role in
            let position = wanted[role.id] ?? role.position
            let side = position < role.position ? 0 : position == role.position ? 1 : 2
            return (role: role, order: (position, side, place))
        }.sorted { $0.order < $1.order }.map(\.role)
        if !access.isOwner {
            let untouchable = before.drop { guild.outranks(access.member, role: $0) }.map(\.id)
            guard after.suffix(untouchable.count).map(\.id) == untouchable else { throw APIError.missingPermissions }
        }
        return after.enumerated().map { place, role in
            var role = role
            role.position = place + 1
            return role
        }
    }
}

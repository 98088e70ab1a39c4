import Domain
import Identity
import Wire

/// A guild with its roles and channels, as its primary keeps it decoded; members lie in rows of their own.
struct GuildAggregate: Sendable {
    var record: GuildRecord
    var roles: [RoleID: Role]
    var channels: [ChannelID: Channel]

    var id: GuildID { record.id }
    /// @everyone: its id is the guild's.
    var everyoneID: RoleID { RoleID(record.id.snowflake) }

    // MARK: Rights

    func isOwner(_ user: UserID) -> Bool { record.ownerID == user }

    /// A member's roles, without @everyone and without those that are deleted: a deletion does not touch the rows of a
    /// million members.
    func roles(of member: Member) -> [Role] { member.roles.compactMap { roles[$0] } }

    func roleIDs(of member: Member) -> [RoleID] { member.roles.filter { roles[$0] != nil } }

    /// Base permissions in the guild, as a time-out leaves them.
    func permissions(of member: Member, at now: Timestamp) -> Permissions {
        let base = basePermissions(of: member)
        return member.isTimedOut(at: now) ? base.inTimeout : base
    }

    /// Permissions in a channel, as a time-out leaves them.
    func permissions(of member: Member, in channel: Channel, at now: Timestamp) -> Permissions {
        let permissions = basePermissions(of: member).applying(
            channel.overwrites, everyone: everyoneID, roles: member.roles, user: member.userID)
        return member.isTimedOut(at: now) ? permissions.inTimeout : permissions
    }

    private func basePermissions(of member: Member) -> Permissions {
        Permissions.base(
            isOwner: isOwner(member.userID), everyone: roles[everyoneID]?.permissions ?? [],
            roles: roles(of: member).lazy.map(\.permissions))
    }

    /// Whether `member` may act on `role`: it is below their highest, or they own the guild.
    func outranks(_ member: Member, role: Role) -> Bool {
        if isOwner(member.userID) { return true }
        guard let highest = highestRole(of: member) else { return false }
        return highest.isAbove(role)
    }

    /// Whether `member` may act on `other`: the owner on all, nobody on the owner, else by the highest roles.
    func outranks(_ member: Member, _ other: Member) -> Bool {
        if isOwner(other.userID) { return false }
        if isOwner(member.userID) { return true }
        guard let highest = highestRole(of: member) else { return false }
        guard let theirs = highestRole(of: other) else { return true }
        return highest.isAbove(theirs)
    }

    func highestRole(of member: Member) -> Role? {
        roles(of: member).max { $1.isAbove($0) }
    }

    // MARK: Order

    /// From the lowest, @everyone, to the highest.
    var rolesInOrder: [Role] {
        roles.values.sorted { left, right in
            if left.id == everyoneID || right.id == everyoneID {
                return left.id == everyoneID && right.id != everyoneID
            }
            return right.isAbove(left)
        }
    }

    var channelsInOrder: [Channel] {
        channels.values.sorted { ($0.position, $0.id) < ($1.position, $1.id) }
    }
}

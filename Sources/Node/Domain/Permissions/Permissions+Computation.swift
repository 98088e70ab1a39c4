import Identity
import Wire

/// Discord's algorithm ("Permissions", permission overwrites): who may do what, as pure functions.
///
/// First the base permissions of a member in the guild, from @everyone and their roles; then, for a channel, its
/// overwrites in the order @everyone, the member's roles all together, the member; then what a missing permission takes
/// with it. The owner and administrators have everything, whatever the overwrites say.
extension Permissions {
    /// What a timed-out member keeps.
    public static let keptInTimeout: Permissions = [.viewChannel, .readMessageHistory]

    /// What goes with SEND_MESSAGES when a channel denies it.
    private static let needingSendMessages: Permissions = [
        .mentionEveryone, .sendTTSMessages, .attachFiles, .embedLinks,
    ]

    /// The permissions of a member in the guild, before any channel's overwrites.
    ///
    /// - Parameters:
    ///   - everyone: those of the @everyone role.
    ///   - roles: those of the member's other roles.
    public static func base(
        isOwner: Bool, everyone: Permissions, roles: some Sequence<Permissions>
    ) -> Permissions {
        if isOwner { return .all }
        let permissions = roles.reduce(everyone) { $0.union($1) }
        return permissions.contains(.administrator) ? .all : permissions
    }

    /// The permissions in a channel of a member with these base permissions.
    ///
    /// - Parameters:
    ///   - overwrites: the channel's; of a thread, its parent's.
    ///   - everyone: the @everyone role, whose id is the guild's.
    ///   - roles: the member's roles without @everyone.
    public func applying(
        _ overwrites: [Overwrite], everyone: RoleID, roles: [RoleID], user: UserID
    ) -> Permissions {
        if contains(.administrator) { return .all }
        var (everyoneAllow, everyoneDeny): (UInt64, UInt64) = (0, 0)
        var (rolesAllow, rolesDeny): (UInt64, UInt64) = (0, 0)
        var (memberAllow, memberDeny): (UInt64, UInt64) = (0, 0)
        for overwrite in overwrites {
            if overwrite.isMember {
                guard overwrite.id == user.snowflake else { continue }
                memberAllow = overwrite.allow
                memberDeny = overwrite.deny
            } else if overwrite.id == everyone.snowflake {
                everyoneAllow = overwrite.allow
                everyoneDeny = overwrite.deny
            } else if roles.contains(where: { $0.snowflake == overwrite.id }) {
                rolesAllow |= overwrite.allow
                rolesDeny |= overwrite.deny
            }
        }
        var bits = rawValue
        bits = bits & ~everyoneDeny | everyoneAllow
        bits = bits & ~rolesDeny | rolesAllow
        bits = bits & ~memberDeny | memberAllow
        return Permissions(rawValue: bits).withImplicitDenials
    }

    /// Without what is worth nothing in a channel because another permission is missing: without VIEW_CHANNEL
    /// everything, without SEND_MESSAGES mentions of everyone, TTS, files and embeds.
    public var withImplicitDenials: Permissions {
        guard contains(.viewChannel) else { return [] }
        return contains(.sendMessages) ? self : subtracting(.needingSendMessages)
    }

    /// What remains while the member is timed out; administrators, the owner among them, are exempt.
    public var inTimeout: Permissions {
        contains(.administrator) ? self : intersection(.keptInTimeout)
    }
}

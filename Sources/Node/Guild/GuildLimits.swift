/// Discord's limits on what a guild holds.
enum GuildLimits {
    static let channels = 500
    static let channelsInCategory = 50
    /// With @everyone.
    static let roles = 250
    static let invites = 1000
    /// Of one channel.
    static let overwrites = 1000
    static let overwritesInBody = 100
    /// The largest `max_age` of an invite: 60 days in the OpenAPI document, in seconds.
    static let inviteAge = 5_184_000
    static let inviteUses = 100
    static let slowmode = 21_600
    static let timeout: Duration = .seconds(28 * 86_400)
    /// What `max_members` of a guild says. Nothing is refused beyond it: it is there because clients read it.
    static let members = 25_000_000
    /// Up to this many members, a snapshot for a gateway holds all of them.
    static let membersInSnapshot = 250
    /// Members that one step of a guild's deletion removes.
    static let membersInDeletionStep = 500
}

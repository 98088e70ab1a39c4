import Domain
import Identity
import Wire

/// Carries a user's new profile to their own sessions and to their guilds.
struct ProfileChanges {
    /// Guilds told in one entry; more follow in further steps of work.
    static let guildsPerStep = 100

    let rows: UserRows

    /// Gives the changed profile its version, tells the user's sessions, and starts the way through the guilds. The
    /// caller puts the account.
    func announce(_ account: inout Account) {
        account.version += 1
        let user = account
        rows.transaction.emit(
            Event(type: "USER_UPDATE", root: .user(user.id), payload: json { $0.privateUser(user) }))
        rows.transaction.schedule(.announceProfile(user.id, after: GuildID(rawValue: 0)))
    }

    /// Tells the next guilds above `after`.
    func tellGuilds(of user: UserID, after: GuildID) throws {
        guard let account = try rows.activeAccount(user) else { return }
        let guilds = try rows.guilds(of: user, after: after, limit: ProfileChanges.guildsPerStep)
        for guild in guilds {
            rows.transaction.send(.profileChanged(guild: guild, profile: account.profile), to: guild.slot)
        }
        if guilds.count == ProfileChanges.guildsPerStep, let last = guilds.last {
            rows.transaction.schedule(.announceProfile(user, after: last))
        }
    }
}

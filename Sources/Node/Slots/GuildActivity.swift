import Identity
import Replication
import Wire

/// What the guilds of one node's executor do, for operators who look for the hottest: counted over windows of some seconds,
/// of which the last whole one is told. A value without I/O.
struct GuildActivity {
    private struct Count {
        var events: UInt64 = 0
        var writtenBytes: UInt64 = 0

        mutating func add(events: Int, bytes: Int) {
            self.events += UInt64(events)
            writtenBytes += UInt64(bytes)
        }
    }

    static let window = Duration.seconds(5)
    /// Guilds that are counted in one window; of more, those that come late are not.
    static let countedGuilds = 65_536
    /// How many are told.
    static let toldGuilds = 64

    private var begun: BootTime
    private var counts: [GuildID: Count] = [:]
    private var last: [GuildID: Count] = [:]
    private var lastDuration = Duration.zero

    init(now: BootTime) { begun = now }

    /// An entry with events of the guild was applied by its slot's primary.
    mutating func add(_ guild: GuildID, events: Int, bytes: Int, now: BootTime) {
        turn(now: now)
        guard counts.count < GuildActivity.countedGuilds || counts[guild] != nil else { return }
        counts[guild, default: Count()].add(events: events, bytes: bytes)
    }

    /// The guilds with the most events, those first.
    mutating func hottest(subscriptions: (GuildID) -> Int, now: BootTime) -> [GuildLoad] {
        turn(now: now)
        let milliseconds = UInt64(lastDuration / .milliseconds(1))
        guard milliseconds > 0 else { return [] }
        return last.sorted { ($0.value.events, $1.key) > ($1.value.events, $0.key) }.prefix(GuildActivity.toldGuilds)
            .map {
                GuildLoad(
                    guild: $0.key, milliseconds: milliseconds, events: $0.value.events,
                    writtenBytes: $0.value.writtenBytes, subscriptions: UInt64(subscriptions($0.key)))
            }
    }

    private mutating func turn(now: BootTime) {
        let duration = now - begun
        guard duration >= GuildActivity.window else { return }
        // After a long silence nothing is said of a time before it.
        (last, lastDuration) = duration < GuildActivity.window * 2 ? (counts, duration) : ([:], duration)
        counts = [:]
        begun = now
    }
}

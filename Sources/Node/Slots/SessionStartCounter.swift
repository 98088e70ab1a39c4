import Identity
import Wire

/// Counts the gateway sessions that each bot's token began in the last day, on the slot's primary.
///
/// Kept in memory: a new primary counts from 0 again. It stops a bot that identifies in a loop, which a change of
/// primary in between does not save.
struct SessionStartCounter {
    /// Above it, tokens whose day is over are forgotten.
    private static let maximumIdle = 1024

    private struct Day {
        var begin: Timestamp
        var count: Int
    }
    private var days: [UInt64: Day] = [:]

    private func day(of token: UInt64, now: Timestamp) -> Day? {
        guard let day = days[token], now.milliseconds - day.begin.milliseconds < SessionStarts.window.milliseconds
        else { return nil }
        return day
    }

    func left(of token: UInt64, now: Timestamp) -> SessionStarts {
        guard let day = day(of: token, now: now) else { return SessionStarts() }
        // A clock that steps back makes no day longer.
        let age = max(0, now.milliseconds - day.begin.milliseconds)
        return SessionStarts(
            remaining: SessionStarts.total - day.count,
            resetAfterMilliseconds: Int(SessionStarts.window.milliseconds - age))
    }

    /// Counts one more, unless none is left.
    ///
    /// - Returns: `false` when none is.
    mutating func begin(_ token: UInt64, now: Timestamp) -> Bool {
        var day = day(of: token, now: now) ?? Day(begin: now, count: 0)
        guard day.count < SessionStarts.total else { return false }
        day.count += 1
        if days.count > SessionStartCounter.maximumIdle, days[token] == nil {
            days = days.filter {
                now.milliseconds - $0.value.begin.milliseconds < SessionStarts.window.milliseconds
            }
        }
        days[token] = day
        return true
    }
}

import Identity
import NIOCore
import Synchronization
import Wire

/// At most one IDENTIFY in a while for each bot and `max_concurrency` key, at this gateway (Discord, "Rate Limits").
///
/// Shared by the loops; an IDENTIFY is rare enough for a lock.
final class IdentifyPace: Sendable {
    /// Above it, keys that would be admitted are forgotten.
    private static let maximumIdle = 4096

    private struct Key: Hashable {
        var user: UserID
        var key: Int
    }
    private let interval: TimeAmount
    private let last = Mutex<[Key: NIODeadline]>([:])

    /// - Parameter interval: 0 for none.
    init(interval: TimeAmount) { self.interval = interval }

    func admits(_ user: UserID, shard: Int, now: NIODeadline) -> Bool {
        guard interval > .zero else { return true }
        let key = Key(user: user, key: shard % SessionStarts.maximumConcurrency)
        return last.withLock { last in
            if let before = last[key], now - before < interval { return false }
            if last.count > IdentifyPace.maximumIdle { last = last.filter { now - $0.value < interval } }
            last[key] = now
            return true
        }
    }
}

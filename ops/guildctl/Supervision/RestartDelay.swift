/// How long to wait before a dead child is started again: longer each time it dies soon after its start.
struct RestartDelay {
    static let first = Duration.milliseconds(100)
    static let longest = Duration.seconds(10)
    /// A child that has run for this long died of something new.
    static let settled = Duration.seconds(3)

    private var next = RestartDelay.first
    /// Deaths in a row without having settled.
    private(set) var deathsInARow = 0

    /// - Parameter uptime: how long the child had run when it died.
    mutating func died(after uptime: Duration) -> Duration {
        if uptime >= RestartDelay.settled {
            next = RestartDelay.first
            deathsInARow = 0
        }
        deathsInARow += 1
        defer { next = min(next * 2, RestartDelay.longest) }
        return next
    }
}

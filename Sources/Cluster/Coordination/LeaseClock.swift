/// What the embedded coordinator reads the time of leases from.
public struct LeaseClock: Sendable {
    private let read: @Sendable () -> Duration

    /// - Parameter now: the time since any fixed moment; it never goes back.
    public init(now: @escaping @Sendable () -> Duration) { read = now }

    var now: Duration { read() }

    /// The machine's monotonic time, which stands still while the machine sleeps.
    public static let system: LeaseClock = {
        let clock = SuspendingClock()
        let origin = clock.now
        return LeaseClock { clock.now - origin }
    }()
}

import Coordination
import Synchronization

/// A time that stands still until a test moves it.
final class ManualClock: Sendable {
    private let time = Mutex(Duration.zero)

    /// For a coordinator.
    var leases: LeaseClock { LeaseClock { self.time.withLock { $0 } } }

    func advance(by duration: Duration) { time.withLock { $0 += duration } }
}

import Foundation
import Synchronization

/// The one clock that a process takes its wall time from.
///
/// In a cluster created for tests, tests hold it: an offset, distributed by the coordinator, moves it in time, so that
/// history is made over months.
public final class WallClock: Sendable {
    private let offsetMilliseconds = Atomic<Int64>(0)

    public init() {}

    public func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let real = Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        return Timestamp(milliseconds: real + offsetMilliseconds.load(ordering: .relaxed))
    }

    /// How far the clock is moved from the machine's, in milliseconds.
    public var offset: Duration {
        get { .milliseconds(offsetMilliseconds.load(ordering: .relaxed)) }
        set { offsetMilliseconds.store(newValue.milliseconds, ordering: .relaxed) }
    }
}

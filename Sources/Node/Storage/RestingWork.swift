import Glibc

/// Long work on a thread that serves nobody, in short turns with rests between them, so that a thread with an answer to
/// give waits for a turn at most.
///
/// A low priority alone does not do that: Linux lets the thread that runs go on to the end of its slice, some milliseconds,
/// before one that wakes up (EEVDF's `RUN_TO_PARITY`), and a write passes some twenty threads on its way.
public struct RestingWork {
    /// In nanoseconds.
    private static let turn: UInt64 = 500_000
    private static let rest = 1_000_000

    private var began = RestingWork.now()

    public init() {}

    /// To be called often, at steps that take some microseconds. Blocks for the time of a rest when a turn is over.
    ///
    /// - Parameter isHasty: go on without one.
    public mutating func step(isHasty: Bool = false) {
        guard RestingWork.now() - began >= RestingWork.turn else { return }
        if !isHasty {
            var rest = timespec(tv_sec: 0, tv_nsec: RestingWork.rest)
            nanosleep(&rest, nil)
        }
        began = RestingWork.now()
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

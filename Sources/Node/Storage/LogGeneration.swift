import Synchronization

/// A stretch of a slot's log between two truncations, as its owner in this process counts them.
///
/// A report that entries are durable may be on its way while their slot's owner cuts them off and queues others with the
/// same indexes. So each append names its generation, each truncation begins one, and reports name the one they speak
/// of: the owner takes no notice of a report that is not of the generation it is in.
public struct LogGeneration: Hashable, Comparable, Sendable {
    private let rawValue: UInt64

    /// Of a slot whose log is never cut while its owner lives.
    public static let initial = LogGeneration(rawValue: 0)

    private static let last = Mutex<UInt64>(0)

    /// Higher than all before it in this process, so that an owner also tells its reports from those to an owner of the
    /// same slot before it.
    public static func next() -> LogGeneration {
        last.withLock {
            $0 += 1
            return LogGeneration(rawValue: $0)
        }
    }

    public static func < (left: LogGeneration, right: LogGeneration) -> Bool { left.rawValue < right.rawValue }
}

import Logging
import Synchronization

/// The level of all loggers of the process; changeable while it runs.
public final class LogLevelSwitch: Sendable {
    private let index: Atomic<Int>

    public init(_ level: Logger.Level) { index = Atomic(LogLevelSwitch.index(of: level)) }

    public var level: Logger.Level {
        get { Logger.Level.allCases[index.load(ordering: .relaxed)] }
        set { index.store(LogLevelSwitch.index(of: newValue), ordering: .relaxed) }
    }

    private static func index(of level: Logger.Level) -> Int {
        // A case of a CaseIterable enum is among its cases.
        Logger.Level.allCases.firstIndex(of: level) ?? 0
    }
}

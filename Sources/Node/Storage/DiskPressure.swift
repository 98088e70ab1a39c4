/// How full the disk under a store is, and what follows from it, as a value without I/O (DESIGN §6.10).
///
/// Terms. *Pressure* rises to ``warning`` and to ``full`` at thresholds, and falls only some percent below them, so that
/// it does not go to and fro. A *ballast* is a file that holds space for the worst moment: it is given up when the disk
/// is full, so that compactions, flushes and the departure of slots have room to work in, and is made again when the
/// disk could bear it. What the ballast would take counts as used also while it is not there: giving it up does not
/// itself end the pressure.
public struct DiskPressure: Sendable {
    public enum Level: Int, Comparable, Sendable {
        case normal
        /// An operator should act.
        case warning
        /// This node takes no more writes and hands its primacies over.
        case full

        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    public struct Limits: Sendable {
        /// Parts of the disk in use, from 0 to 1.
        public var warning = 0.85
        public var full = 0.95
        /// How far below a threshold the level falls again.
        public var hysteresis = 0.02
        /// In bytes; 0 for none.
        public var ballast = 0

        public init() {}
    }

    /// What the file system says.
    public struct Usage: Hashable, Sendable {
        /// Bytes in use, and bytes that this process may still take.
        public var used: Int
        public var available: Int
        /// How large the ballast is now.
        public var ballast: Int

        /// What is in use, in percent.
        public var percent: Int { used + available > 0 ? Int(Double(used) / Double(used + available) * 100) : 0 }

        public init(used: Int, available: Int, ballast: Int) {
            self.used = used
            self.available = available
            self.ballast = ballast
        }
    }

    public enum Action: Hashable, Sendable {
        case makeBallast(bytes: Int)
        case releaseBallast
        case report(Level)
    }

    public let limits: Limits
    public private(set) var level = Level.normal

    public init(limits: Limits) {
        precondition(limits.warning <= limits.full && limits.full <= 1, "a disk is nearly full before it is full")
        precondition(limits.hysteresis >= 0 && limits.ballast >= 0, "limits are not negative")
        self.limits = limits
    }

    /// What follows from the disk's usage now; to be carried out in order.
    public mutating func measured(_ usage: Usage) -> [Action] {
        let size = usage.used + usage.available
        guard size > 0 else { return [] }
        // A ballast larger than a tenth of the disk would be most of what is left before it counts as full.
        let wanted = min(limits.ballast, size / 10)
        let missing = max(0, wanted - usage.ballast)
        let fraction = Double(usage.used + missing) / Double(size)
        let before = level
        level = max(reached(fraction), min(level, reached(fraction + limits.hysteresis)))
        var actions: [Action] = []
        if level == .full {
            if usage.ballast > 0 { actions.append(.releaseBallast) }
        } else if missing > 0 {
            // What it would take is counted in already.
            actions.append(.makeBallast(bytes: wanted))
        }
        if level != before { actions.append(.report(level)) }
        return actions
    }

    private func reached(_ fraction: Double) -> Level {
        if fraction >= limits.full { return .full }
        return fraction >= limits.warning ? .warning : .normal
    }
}

import Identity

/// Whether this node's wall clock can be believed, judged by its peers' (DESIGN §3). A value without I/O.
///
/// Each answer to a beacon tells the peer's wall clock. What is known of the difference is what is left of it when half
/// of the round trip is taken off: so a slow network makes the guard blind, never wrong. The own clock counts as one
/// among the peers', and the median of all decides: with two nodes nobody can tell whose clock is wrong, and none is
/// judged; with three, one wrong clock is outvoted. A tie goes to the own clock.
public struct ClockGuard: Sendable {
    public struct Limits: Sendable {
        /// The greatest difference from the median of a clock that is believed.
        public var tolerance: Duration = .milliseconds(500)
        /// How long the difference must last before the clock is judged wrong.
        public var patience: Duration = .seconds(1)
        /// How long it must be within half of the tolerance before the clock is believed again.
        public var recovery: Duration = .seconds(5)
        /// How long what a peer said counts.
        public var memory: Duration = .seconds(10)

        public init() {}
    }

    /// How far ahead of a replica's own clock an entry's id mark may lie.
    public static let markLead: Duration = .seconds(10)

    public enum Verdict: Hashable, Sendable {
        case believed
        /// The clock is this far ahead of the median; negative when it is behind.
        case wrong(ahead: Duration)
    }

    private struct Heard {
        var difference: Duration
        var time: BootTime
    }

    private let limits: Limits
    private var peers: [NodeID: Heard] = [:]
    private var farSince: BootTime?
    private var nearSince: BootTime?
    public private(set) var verdict = Verdict.believed

    public init(limits: Limits = Limits()) { self.limits = limits }

    /// How far the peers' clocks are ahead of this one, as far as it is known; for people.
    public var differences: [NodeID: Duration] { peers.mapValues(\.difference) }

    /// A peer answered.
    ///
    /// - Parameters:
    ///   - theirs: its wall clock when it answered.
    ///   - ours: this node's wall clock now.
    ///   - roundTrip: since the question was sent, by a clock that is never set.
    public mutating func heard(
        from node: NodeID, theirs: Timestamp, ours: Timestamp, roundTrip: Duration, now: BootTime
    ) {
        let half = max(.zero, roundTrip) / 2
        let difference = theirs - (ours + .milliseconds(-half.milliseconds))
        let known: Duration =
            if difference > half { difference - half } else if difference < .zero - half { difference + half } else {
                .zero
            }
        peers[node] = Heard(difference: known, time: now)
    }

    /// Judges by what is remembered. To be called at least once a second.
    ///
    /// - Returns: the verdict, when it has changed.
    public mutating func judge(now: BootTime) -> Verdict? {
        peers = peers.filter { now - $0.value.time <= limits.memory }
        let ahead = .zero - median
        let distance = ahead < .zero ? .zero - ahead : ahead
        farSince = distance > limits.tolerance ? farSince ?? now : nil
        nearSince = distance <= limits.tolerance / 2 ? nearSince ?? now : nil
        switch verdict {
        case .believed:
            guard let farSince, now - farSince >= limits.patience else { return nil }
            verdict = .wrong(ahead: ahead)
        case .wrong:
            // Without anybody to compare with, what was found stands.
            guard peers.count >= 2, let nearSince, now - nearSince >= limits.recovery else { return nil }
            verdict = .believed
        }
        return verdict
    }

    /// The median of all clocks against this one; of two middle ones, the nearer.
    private var median: Duration {
        guard peers.count >= 2 else { return .zero }
        let sorted = (peers.values.map(\.difference) + [.zero]).sorted()
        let upper = sorted[sorted.count / 2]
        guard sorted.count.isMultiple(of: 2) else { return upper }
        let lower = sorted[sorted.count / 2 - 1]
        // The own clock is among them: of two middle values one is at least as near to it.
        return lower >= .zero ? lower : upper <= .zero ? upper : .zero
    }

    /// Whether a replica may take an entry with the id mark `mark` after one with `previous`: a mark far ahead of its own
    /// clock would push ids into the future for ever. Where they are there already, they go on from there.
    public static func takes(mark: Snowflake, after previous: Snowflake, clock: Timestamp) -> Bool {
        guard mark > previous else { return true }
        let limit = clock + markLead
        return mark.timestamp <= limit || previous.timestamp > limit
    }
}

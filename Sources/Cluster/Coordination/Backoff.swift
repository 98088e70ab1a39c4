import NIOCore

/// Pauses between attempts that double up to a maximum, with jitter, so that many callers do not come at once.
public struct Backoff: Sendable {
    private var upcoming: Duration
    private let maximum: Duration

    public init(initial: Duration, maximum: Duration) {
        upcoming = initial
        self.maximum = maximum
    }

    /// The next pause: between a half and the whole of the current step.
    public mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        let step = upcoming
        upcoming = min(upcoming * 2, maximum)
        return step * Double.random(in: 0.5...1, using: &generator)
    }

    public mutating func next() -> Duration {
        var generator = SystemRandomNumberGenerator()
        return next(using: &generator)
    }

    /// Sleeps for the next pause, at most until `deadline`.
    ///
    /// - Returns: `false` when the deadline has passed or the task is cancelled.
    public mutating func pause(until deadline: NIODeadline = .distantFuture) async -> Bool {
        let now = NIODeadline.now()
        guard now < deadline else { return false }
        let pause = min(next().timeAmount, deadline - now)
        do { try await Task.sleep(for: .nanoseconds(pause.nanoseconds)) } catch { return false }
        return true
    }
}

extension Duration {
    /// The same in NIO's terms.
    public var timeAmount: TimeAmount {
        .nanoseconds(components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000)
    }
}

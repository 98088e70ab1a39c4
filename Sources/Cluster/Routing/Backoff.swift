import NIOCore

/// Pauses between attempts that double up to a maximum, with jitter, so that many callers do not come at once.
struct Backoff: Sendable {
    private var upcoming: Duration
    private let maximum: Duration

    init(initial: Duration, maximum: Duration) {
        upcoming = initial
        self.maximum = maximum
    }

    /// The next pause: between a half and the whole of the current step.
    mutating func next(using generator: inout some RandomNumberGenerator) -> Duration {
        let step = upcoming
        upcoming = min(upcoming * 2, maximum)
        return step * Double.random(in: 0.5...1, using: &generator)
    }

    mutating func next() -> Duration {
        var generator = SystemRandomNumberGenerator()
        return next(using: &generator)
    }

    /// Sleeps for the next pause, at most until `deadline`.
    ///
    /// - Returns: `false` when the deadline has passed or the task is cancelled.
    mutating func pause(until deadline: NIODeadline = .distantFuture) async -> Bool {
        let now = NIODeadline.now()
        guard now < deadline else { return false }
        let pause = min(next().timeAmount, deadline - now)
        do { try await Task.sleep(for: .nanoseconds(pause.nanoseconds)) } catch { return false }
        return true
    }
}

extension Duration {
    var timeAmount: TimeAmount {
        .nanoseconds(components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000)
    }
}

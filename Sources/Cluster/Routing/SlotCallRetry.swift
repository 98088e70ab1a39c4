import Coordination
import Identity
import NIOCore
import Transport
import Wire

/// Decides what follows an attempt at a slot's primary: a value without I/O or clock.
///
/// Any attempt may be repeated. One with a request id is answered with the first one's result (DESIGN §6.7); one
/// without reads, or is applied once by its own number (``SlotCall/Kind/outbox``).
struct SlotCallRetry: Sendable {
    enum Outcome: Hashable, Sendable {
        case answered(SlotReply)
        case failed(CallFailure)
    }

    enum Step: Hashable, Sendable {
        case done(ByteBuffer)
        /// Pause, or go on at once when the row reaches `epoch`.
        case wait(Duration, epoch: Epoch, reason: String)
        case fail(SlotCallFailure)
        case cancelled
    }

    private var backoff: Backoff
    /// Whether an attempt may have run without its answer having come back.
    private(set) var mayHaveRun = false
    private(set) var attemptTimeout: Duration

    init(settings: RemoteSlotCaller.Settings) {
        backoff = Backoff(initial: settings.firstPause, maximum: settings.longestPause)
        attemptTimeout = settings.attemptTimeout
    }

    /// - Parameter rowEpoch: of the row that the attempt was routed by.
    mutating func next(after outcome: Outcome, rowEpoch: Epoch) -> Step {
        switch outcome {
        case .answered(.interrupted), .failed(.connectionLost), .failed(.deadlineExceeded), .failed(.cancelled):
            mayHaveRun = true
        default: break
        }
        switch outcome {
        case .answered(.done(let body)): return .done(body)
        case .answered(.refused(let reason)): return fail(.refused(reason))
        case .answered(.clockApart(let reason)): return fail(.clockApart(reason))
        // The node may know a newer row than this process, or an older one: in both cases the next row ends the wait.
        case .answered(.moved(let epoch)):
            return wait(max(epoch, rowEpoch.next), "the slot has moved, and its new primary is not known yet")
        case .answered(.unavailable(let reason)): return wait(rowEpoch.next, reason)
        case .answered(.interrupted(let reason)): return wait(rowEpoch.next, reason)
        case .failed(.refused(let reason)): return fail(.refused(reason))
        case .failed(.cancelled): return .cancelled
        case .failed(.unreachable(let reason)): return wait(rowEpoch.next, reason)
        case .failed(.overloaded): return wait(rowEpoch.next, "the slot's primary is overloaded")
        case .failed(.unknownMethod): return wait(rowEpoch.next, "the slot's primary does not serve slots yet")
        case .failed(.connectionLost): return wait(rowEpoch.next, "the connection to the slot's primary broke")
        case .failed(.deadlineExceeded):
            attemptTimeout *= 2
            return wait(rowEpoch.next, "the slot's primary did not answer in time")
        }
    }

    /// What the caller is told when time is up.
    func failure(_ reason: String) -> SlotCallFailure {
        mayHaveRun ? .outcomeUnknown(reason) : .deadlineExceeded(reason)
    }

    /// A refusal says nothing of an earlier attempt that may have run.
    private func fail(_ failure: SlotCallFailure) -> Step {
        guard mayHaveRun else { return .fail(failure) }
        switch failure {
        case .refused(let reason), .clockApart(let reason), .deadlineExceeded(let reason), .outcomeUnknown(let reason):
            return .fail(.outcomeUnknown(reason))
        }
    }

    private mutating func wait(_ epoch: Epoch, _ reason: String) -> Step {
        .wait(backoff.next(), epoch: epoch, reason: reason)
    }
}

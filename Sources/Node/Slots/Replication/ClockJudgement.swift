import Replication
import Synchronization

/// What the hub last found of the node's clock, for whoever asks from another thread.
final class ClockJudgement: Sendable {
    let verdict = Mutex(ClockGuard.Verdict.believed)
}

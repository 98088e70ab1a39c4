import Coordination
import Synchronization

/// Where a watch's changes wait for the consumer: one message's at a time, so the member is read no faster than the
/// consumer takes them.
final class WatchOutlet: Sendable {
    private struct State {
        var changes: ArraySlice<CoordinatorChange> = []
        var end: Result<Void, CoordinatorFailure>?
        var consumer: CheckedContinuation<Void, Never>?
        var producer: CheckedContinuation<Void, Never>?
    }

    private typealias Side = any WritableKeyPath<State, CheckedContinuation<Void, Never>?> & Sendable

    private let state = Mutex(State())

    /// Waits until what was put before is taken, then puts these.
    ///
    /// - Returns: `false` when the task is cancelled; the changes are then not put.
    func put(_ changes: [CoordinatorChange]) async -> Bool {
        guard !changes.isEmpty else { return !Task.isCancelled }
        while true {
            if Task.isCancelled { return false }
            let isPut = state.withLock { state -> Bool in
                guard state.changes.isEmpty else { return false }
                state.changes = changes[...]
                return true
            }
            if isPut {
                wakeConsumer()
                return true
            }
            await wait(for: \.producer) { !$0.changes.isEmpty }
        }
    }

    /// Ends the watch once what was put is taken.
    func finish(_ end: Result<Void, CoordinatorFailure>) {
        state.withLock { $0.end = $0.end ?? end }
        wakeConsumer()
    }

    /// The next change; `nil` at the end, or when the task is cancelled. One consumer at a time.
    func next() async throws(CoordinatorFailure) -> CoordinatorChange? {
        while true {
            let (change, end, producer) = state.withLock { state in
                let change = state.changes.popFirst()
                var producer: CheckedContinuation<Void, Never>?
                if state.changes.isEmpty { swap(&producer, &state.producer) }
                return (change, state.end, producer)
            }
            producer?.resume()
            if let change { return change }
            if let end {
                try end.get()
                return nil
            }
            if Task.isCancelled { return nil }
            await wait(for: \.consumer) { $0.changes.isEmpty && $0.end == nil }
        }
    }

    private func wakeConsumer() { wake(\.consumer) }

    private func wake(_ side: Side) {
        state.withLock { state in
            defer { state[keyPath: side] = nil }
            return state[keyPath: side]
        }?.resume()
    }

    private func wait(
        for side: Side,
        while condition: @Sendable (borrowing State) -> Bool
    ) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    guard condition(state), !Task.isCancelled else { return false }
                    state[keyPath: side] = continuation
                    return true
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            wake(side)
        }
    }
}

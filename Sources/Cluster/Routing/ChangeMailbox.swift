import Identity
import Synchronization

/// The changes that one consumer of ``ClusterView/changes()`` has not seen yet: the newest of each row and node, in the
/// order in which they first changed, so that it is bounded by the size of the cluster however slow the consumer is.
final class ChangeMailbox: Sendable {
    private enum Key: Hashable {
        case row(Slot)
        case node(NodeID)

        init(_ change: ClusterChange) {
            switch change {
            case .row(let row): self = .row(row.slot)
            case .node(let node): self = .node(node.id)
            case .nodeGone(let id): self = .node(id)
            }
        }
    }

    private struct State {
        var order: [Key] = []
        /// How many at the front of `order` are taken.
        var taken = 0
        var pending: [Key: ClusterChange] = [:]
        var waiter: CheckedContinuation<ClusterChange?, Never>?
        var isFinished = false
    }

    /// Taken keys are cut off the front when they are this many.
    private static let compactionThreshold = 1024

    private let state = Mutex(State())

    var isFinished: Bool { state.withLock { $0.isFinished } }

    func offer(_ change: ClusterChange) {
        let waiter = state.withLock { state -> CheckedContinuation<ClusterChange?, Never>? in
            guard !state.isFinished else { return nil }
            if let waiter = state.waiter {
                state.waiter = nil
                return waiter
            }
            let key = Key(change)
            if state.pending.updateValue(change, forKey: key) == nil { state.order.append(key) }
            return nil
        }
        waiter?.resume(returning: change)
    }

    /// The next change, or `nil` at the end. One consumer at a time; a second one ends the first's wait.
    func next() async -> ClusterChange? {
        await withCheckedContinuation { continuation in
            let (previous, result) = state.withLock {
                state -> (CheckedContinuation<ClusterChange?, Never>?, ClusterChange??) in
                let previous = state.waiter
                state.waiter = nil
                if state.taken < state.order.count {
                    let change = state.pending.removeValue(forKey: state.order[state.taken])
                    state.taken += 1
                    if state.taken == state.order.count || state.taken == ChangeMailbox.compactionThreshold {
                        state.order.removeFirst(state.taken)
                        state.taken = 0
                    }
                    return (previous, .some(change))
                }
                if state.isFinished { return (previous, .some(nil)) }
                state.waiter = continuation
                return (previous, nil)
            }
            previous?.resume(returning: nil)
            if let result { continuation.resume(returning: result) }
        }
    }

    func finish() {
        let waiter = state.withLock { state -> CheckedContinuation<ClusterChange?, Never>? in
            state.isFinished = true
            let waiter = state.waiter
            state.waiter = nil
            return waiter
        }
        waiter?.resume(returning: nil)
    }
}

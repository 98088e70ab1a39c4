import Identity
import Synchronization

/// Lets callers wait until slots serve.
final class ServingSlots: Sendable {
    private struct State {
        var served: Set<Slot> = []
        var waiters: [Slot: [CheckedContinuation<Void, Never>]] = [:]
    }

    private let state = Mutex(State())

    func served(_ slot: Slot) {
        let waiters = state.withLock { state in
            state.served.insert(slot)
            return state.waiters.removeValue(forKey: slot) ?? []
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The slot serves no more.
    func closed(_ slot: Slot) { state.withLock { _ = $0.served.remove(slot) } }

    /// Whoever waits waits no longer.
    func close() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            return state.waiters.values.flatMap { $0 }
        }
        for waiter in waiters { waiter.resume() }
    }

    func serves(_ slot: Slot) -> Bool { state.withLock { $0.served.contains(slot) } }

    func wait(_ slot: Slot) async {
        await withCheckedContinuation { continuation in
            let isServed = state.withLock { state in
                if state.served.contains(slot) { return true }
                state.waiters[slot, default: []].append(continuation)
                return false
            }
            if isServed { continuation.resume() }
        }
    }
}

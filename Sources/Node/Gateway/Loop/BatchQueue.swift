import Synchronization

/// Passes values between threads in batches: many producers, one consumer that is woken once for each batch.
///
/// The lock is held for an append or a swap of two arrays, never while anything is done with the values.
final class BatchQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var weight = 0
        var isClosed = false
    }
    private let state = Mutex(State())

    /// What waits, as the sum of the weights given.
    var weight: Int { state.withLock { $0.weight } }

    /// - Parameters:
    ///   - weight: counted until the element is taken.
    ///   - wake: called when the consumer has nothing waiting yet, under the lock, so that it is never called after
    ///     ``close()``; it must not block.
    /// - Returns: `false` when the queue is closed and the element was not taken.
    @discardableResult
    func append(_ element: Element, weight: Int = 1, wake: () -> Void) -> Bool {
        state.withLock {
            guard !$0.isClosed else { return false }
            $0.weight += weight
            $0.elements.append(element)
            if $0.elements.count == 1 { wake() }
            return true
        }
    }

    func takeAll() -> [Element] {
        state.withLock {
            let elements = $0.elements
            $0.elements = []
            $0.weight = 0
            return elements
        }
    }

    /// Takes no more; what waits is returned.
    func close() -> [Element] {
        state.withLock {
            $0.isClosed = true
            let elements = $0.elements
            $0.elements = []
            $0.weight = 0
            return elements
        }
    }
}

import Synchronization

/// Passes values between threads in batches: many producers, one consumer that is woken once for each batch.
///
/// The lock is held for an append or a swap of two arrays, never while anything is done with the values.
final class BatchQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var isClosed = false
    }
    private let state = Mutex(State())

    /// - Returns: whether the consumer must be woken: it has nothing waiting yet.
    func append(_ element: Element) -> Bool {
        state.withLock {
            guard !$0.isClosed else { return false }
            $0.elements.append(element)
            return $0.elements.count == 1
        }
    }

    func takeAll() -> [Element] {
        state.withLock {
            let elements = $0.elements
            $0.elements = []
            return elements
        }
    }

    /// Takes no more; what waits is returned.
    func close() -> [Element] {
        state.withLock {
            $0.isClosed = true
            let elements = $0.elements
            $0.elements = []
            return elements
        }
    }
}

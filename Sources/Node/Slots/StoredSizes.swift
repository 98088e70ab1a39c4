import Identity
import NIOCore
import Synchronization

/// About how many bytes the slots' states take: measured anew only from time to time, and in the background, since looking
/// at a thousand ranges of each family takes a tenth of a second that the slots would feel.
final class StoredSizes: Sendable {
    /// Between two measurements.
    static let pause = TimeAmount.seconds(20)

    private let last = Mutex((due: NIODeadline.uptimeNanoseconds(0), sizes: [Slot: Int]()))

    /// What was measured last. The first call waits for its own measurement; others only begin one when it is due.
    ///
    /// - Parameter measure: run by one call at a time; an error leaves what is known.
    func sizes(
        now: NIODeadline, measure: @escaping @Sendable () async throws -> [Slot: Int]
    ) async -> [Slot: Int] {
        let (known, isDue) = last.withLock { last in
            let isDue = now >= last.due
            if isDue { last.due = now + StoredSizes.pause }
            return (last.sizes, isDue)
        }
        guard isDue else { return known }
        let measuring = Task {
            guard let sizes = try? await measure() else { return }
            self.last.withLock { $0.sizes = sizes }
        }
        guard known.isEmpty else { return known }
        await measuring.value
        return last.withLock { $0.sizes }
    }
}

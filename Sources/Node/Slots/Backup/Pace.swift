import Synchronization

/// Keeps what a node sends for backups below a rate, over all slots.
final class Pace: Sendable {
    private let next = Mutex(ContinuousClock.now)
    private let bytesPerSecond: Int

    /// - Parameter bytesPerSecond: 0 for no bound.
    init(bytesPerSecond: Int) { self.bytesPerSecond = bytesPerSecond }

    /// Waits until `bytes` may go.
    func wait(for bytes: Int) async {
        guard bytesPerSecond > 0 else { return }
        let begin = next.withLock { next in
            let begin = max(next, .now)
            next = begin + .seconds(Double(bytes) / Double(bytesPerSecond))
            return begin
        }
        try? await Task.sleep(until: begin)
    }
}

/// What a piece of work has done so far.
final class BackupProgress: Sendable {
    private let done = Mutex((bytes: 0, records: 0))

    func add(bytes: Int, records: Int) {
        done.withLock {
            $0.bytes += bytes
            $0.records += records
        }
    }

    var value: (bytes: Int, records: Int) { done.withLock { $0 } }
}

import Identity
import NIOCore
import Storage

/// Rows of slots as they were at one applied index, kept for who compares replicas. Bounded in number and in time: a
/// kept snapshot keeps RocksDB from letting go of what has been overwritten since.
actor HeldRows {
    /// Kept at once.
    static let limit = 16
    /// Kept without being asked for.
    static let patience: Duration = .seconds(60)

    private struct Held {
        var snapshot: StateSnapshot
        var lastUse: ContinuousClock.Instant
    }

    private var held: [UInt64: Held] = [:]
    private var sweep: Task<Void, Never>?

    /// - Returns: what to ask for them by; `nil` when too many are kept.
    func keep(_ snapshot: StateSnapshot) -> UInt64? {
        guard held.count < HeldRows.limit else { return nil }
        var token = UInt64.random(in: 1 ... .max)
        while held[token] != nil { token = UInt64.random(in: 1 ... .max) }
        held[token] = Held(snapshot: snapshot, lastUse: .now)
        if sweep == nil { sweep = Task { await self.forget() } }
        return token
    }

    func use(_ token: UInt64) -> StateSnapshot? {
        held[token]?.lastUse = .now
        return held[token]?.snapshot
    }

    func release(_ token: UInt64) { held[token] = nil }

    /// Before the store is closed.
    func stop() {
        sweep?.cancel()
        held = [:]
    }

    private func forget() async {
        while !held.isEmpty, !Task.isCancelled {
            try? await Task.sleep(for: .seconds(5))
            let oldest = ContinuousClock.now - HeldRows.patience
            held = held.filter { $0.value.lastUse >= oldest }
        }
        sweep = nil
    }
}

import Foundation
import Synchronization

/// Runs many seeds on all cores, up to the first that fails.
public final class Sweep: Sendable {
    private struct State {
        var next: UInt64
        var totals = Totals()
        var failed: (seed: UInt64, violation: Violation)?
        var isStopped = false
    }

    public struct Outcome: Sendable {
        public var totals: Totals
        /// The lowest of the seeds that failed before the sweep ended.
        public var failed: (seed: UInt64, violation: Violation)?
        public var seconds: Double
    }

    private let end: UInt64
    private let threads: Int
    private let state: Mutex<State>

    public init(start: UInt64, count: UInt64, threads: Int) {
        end = start + count
        self.threads = max(1, threads)
        state = Mutex(State(next: start))
    }

    /// Blocks until all seeds have run or one has failed.
    ///
    /// - Parameter progress: called after each seed, from any thread, with how many have run.
    public func run(progress: @escaping @Sendable (Int) -> Void = { _ in }) -> Outcome {
        let began = Date()
        let group = DispatchGroup()
        for _ in 0..<threads {
            group.enter()
            let thread = Thread { [self] in
                while let seed = take() { run(seed, progress) }
                group.leave()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        group.wait()
        return state.withLock {
            Outcome(totals: $0.totals, failed: $0.failed, seconds: Date().timeIntervalSince(began))
        }
    }

    private func take() -> UInt64? {
        state.withLock { state in
            guard !state.isStopped, state.next < end else { return nil }
            state.next += 1
            return state.next - 1
        }
    }

    private func run(_ seed: UInt64, _ progress: @Sendable (Int) -> Void) {
        let world = World(seed: seed)
        var found: Violation?
        do throws(Violation) {
            try world.run()
        } catch {
            found = error
        }
        let count = state.withLock { [totals = world.totals, found] state in
            state.totals.add(totals)
            if let found {
                state.isStopped = true
                if seed < state.failed?.seed ?? .max { state.failed = (seed, found) }
            }
            return state.totals.seeds
        }
        progress(count)
    }
}

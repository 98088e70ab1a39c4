import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// Threads for what must not run on an executor: reads of snapshots, password hashing. What waits is bounded.
final class BoundedPool: Sendable {
    /// What a background pool's threads give way by (`nice`): RocksDB takes the same for its compactions.
    private static let backgroundNiceness: Int32 = 10

    private let pool: NIOThreadPool
    private let limit: Int
    private let isBackground: Bool
    private let waiting = Atomic<Int>(0)

    /// - Parameter isBackground: whether the threads leave the processor to others, when these need it.
    init(threads: Int, limit: Int, isBackground: Bool = false) {
        pool = NIOThreadPool(numberOfThreads: threads)
        self.limit = limit
        self.isBackground = isBackground
        pool.start()
    }

    /// Runs `body` on a thread and `completion` with its result on `loop`.
    ///
    /// - Returns: `false` when too much waits already; nothing is run then.
    func submit<Value: Sendable>(
        on loop: any EventLoop, _ body: @escaping @Sendable () throws -> Value,
        completion: @escaping @Sendable (Result<Value, any Error>) -> Void
    ) -> Bool {
        guard waiting.add(1, ordering: .relaxed).newValue <= limit else {
            waiting.subtract(1, ordering: .relaxed)
            return false
        }
        pool.submit { [self] state in
            giveWay()
            let result: Result<Value, any Error> =
                state == .active ? Result { try body() } : .failure(CancellationError())
            waiting.subtract(1, ordering: .relaxed)
            loop.execute { completion(result) }
        }
        return true
    }

    /// Runs `body` on a thread.
    ///
    /// - Throws: what `body` throws, or ``PoolIsFull``.
    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        guard waiting.add(1, ordering: .relaxed).newValue <= limit else {
            waiting.subtract(1, ordering: .relaxed)
            throw PoolIsFull()
        }
        defer { waiting.subtract(1, ordering: .relaxed) }
        return try await pool.runIfActive { [self] in
            giveWay()
            return try body()
        }
    }

    /// Linux knows a niceness of each thread. Set again with every task, since a pool does not tell when a thread begins;
    /// one that cannot be set is no reason to fail.
    private func giveWay() {
        guard isBackground else { return }
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, BoundedPool.backgroundNiceness)
    }

    func shutdown() async { try? await pool.shutdownGracefully() }
}

/// Too much waits for a pool's threads.
struct PoolIsFull: Error {}

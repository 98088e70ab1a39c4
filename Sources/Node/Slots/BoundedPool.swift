import NIOCore
import NIOPosix
import Synchronization

/// Threads for what must not run on an executor: reads of snapshots, password hashing. What waits is bounded.
final class BoundedPool: Sendable {
    private let pool: NIOThreadPool
    private let limit: Int
    private let waiting = Atomic<Int>(0)

    init(threads: Int, limit: Int) {
        pool = NIOThreadPool(numberOfThreads: threads)
        self.limit = limit
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
        return try await pool.runIfActive(body)
    }

    func shutdown() async { try? await pool.shutdownGracefully() }
}

/// Too much waits for a pool's threads.
struct PoolIsFull: Error {}

import Foundation
import Synchronization

/// A thread that can be waited for: once ``join()`` returns, nothing that it held is held any more.
final class JoinableThread: Sendable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private let identifier: Mutex<pthread_t?>

    init(_ run: @escaping @Sendable () -> Void) {
        let body = Unmanaged.passRetained(Body(run))
        var identifier = pthread_t()
        let result = pthread_create(
            &identifier, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        precondition(result == 0, "a process that cannot start a thread cannot run")
        self.identifier = Mutex(identifier)
    }

    /// Waits until the thread has ended. A second call returns at once.
    func join() {
        let running = identifier.withLock { identifier in
            defer { identifier = nil }
            return identifier
        }
        if let running { pthread_join(running, nil) }
    }
}

import Coordination
import NIOCore
import Synchronization

/// One watch as its consumer holds it: begins with the first change asked for, and ends when it is let go of.
final class EtcdWatch: Sendable {
    private let outlet = WatchOutlet()
    private let follower: EtcdWatchFollower
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(client: EtcdClient, prefix: String, after revision: UInt64) {
        follower = EtcdWatchFollower(client: client, prefix: prefix, after: revision, outlet: outlet)
    }

    deinit { task.withLock { $0 }?.cancel() }

    func next() async throws(CoordinatorFailure) -> CoordinatorChange? {
        task.withLock { task in
            if task == nil { task = Task { [follower] in await follower.run() } }
        }
        return try await outlet.next()
    }
}

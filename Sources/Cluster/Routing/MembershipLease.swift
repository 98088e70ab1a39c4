import Coordination
import Identity
import Logging
import NIOCore
import Placement
import Synchronization

/// Keeps one node's record in the coordinator under a lease: registers, keeps alive, registers again after a loss.
///
/// The right to serve slots does not hang on this lease (DESIGN §5): while the coordinator is away, the node goes on.
actor MembershipLease {
    private let coordinator: any Coordinator
    private let duration: Duration
    private let logger: Logger
    private var record: NodeRecord
    private var written: NodeRecord?
    private var lease: CoordinatorLease?
    private var isWithdrawn = false
    private let registered = Atomic<Bool>(false)

    init(_ record: NodeRecord, coordinator: any Coordinator, duration: Duration, logger: Logger) {
        self.record = record
        self.coordinator = coordinator
        self.duration = duration
        self.logger = logger
    }

    /// Whether the record stood in the coordinator when it was last heard.
    nonisolated var isRegistered: Bool { registered.load(ordering: .relaxed) }
    var current: NodeRecord { record }

    /// Puts the record under a live lease; does nothing when it stands there already.
    func register() async throws(CoordinatorFailure) {
        while !isWithdrawn {
            let held: CoordinatorLease
            if let lease {
                held = lease
            } else {
                held = try await coordinator.grantLease(duration)
                lease = held
            }
            let putting = record
            if putting != written || !isRegistered {
                do {
                    _ = try await coordinator.commit(
                        CoordinatorTransaction(
                            operations: [.put(CoordinatorKey.node(putting.id), putting.encoded(), lease: held)]))
                } catch .leaseExpired {
                    lost()
                    continue
                } catch { throw error }
                written = putting
                registered.store(true, ordering: .relaxed)
            }
            if putting == record { return }
        }
    }

    private func lost() {
        lease = nil
        registered.store(false, ordering: .relaxed)
    }

    /// Keeps the lease alive until the task is cancelled, the lease withdrawn, or the name taken over.
    func run() async {
        var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(1))
        while !isWithdrawn, !Task.isCancelled {
            do throws(CoordinatorFailure) {
                if let lease, isRegistered, written == record {
                    try await coordinator.keepAlive(lease)
                } else {
                    try await register()
                }
                backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(1))
                do { try await Task.sleep(for: duration / 3) } catch { return }
            } catch .leaseExpired {
                logger.warning("the membership lease expired; registering again", metadata: ["node": "\(record.id)"])
                lost()
            } catch {
                logger.warning("the coordinator does not answer", metadata: ["reason": "\(error)"])
                guard await backoff.pause() else { return }
            }
        }
    }

    func update(_ change: @Sendable (inout NodeRecord) -> Void) async throws(CoordinatorFailure) {
        change(&record)
        try await register()
    }

    /// Another process has registered under this node's name: two would fight for it, so this one gives way.
    func supersede(by other: NodeRecord) {
        guard !isWithdrawn else { return }
        logger.critical(
            "another process registered under this node's name; this one leaves the membership",
            metadata: ["node": "\(record.id)", "pid": "\(other.pid)", "host": "\(other.host):\(other.port)"])
        isWithdrawn = true
        lost()
    }

    /// Takes the record out of the coordinator; without an answer it vanishes with its lease.
    func withdraw() async {
        guard !isWithdrawn else { return }
        isWithdrawn = true
        guard let lease else { return }
        lost()
        do { try await coordinator.revoke(lease) } catch {
            logger.info("left without the coordinator's answer", metadata: ["reason": "\(error)"])
        }
    }
}

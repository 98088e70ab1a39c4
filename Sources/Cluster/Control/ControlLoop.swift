import Coordination
import Identity
import Logging
import NIOCore
import Placement
import Routing

/// The controller's shell: of all routers one leads, by the key `controller` under its lease, and carries out what the
/// ``Controller`` decides.
///
/// Two that lead for a moment do no harm, since all they write is by compare-and-swap.
public actor ControlLoop {
    public struct Settings: Sendable {
        public var lease: Duration = .seconds(10)
        /// Between two looks while something is being moved, and while nothing is.
        public var busyPause: Duration = .milliseconds(200)
        public var idlePause: Duration = .seconds(1)
        public var limits = Controller.Limits()

        public init() {}
    }

    private let node: NodeID
    private let store: ControlStore
    private let coordinator: any Coordinator
    private let view: any ClusterView
    private let loads: LoadPoller
    private let clock: WallClock
    private let settings: Settings
    private let logger: Logger
    private var controller: Controller
    private let start = ContinuousClock.now
    private var lease: CoordinatorLease?
    private var renewed: ContinuousClock.Instant = .now

    public init(
        node: NodeID, coordinator: any Coordinator, view: any ClusterView, loads: LoadPoller, clock: WallClock,
        settings: Settings = Settings(), logger: Logger
    ) {
        self.node = node
        self.coordinator = coordinator
        store = ControlStore(coordinator: coordinator)
        self.view = view
        self.loads = loads
        self.clock = clock
        self.settings = settings
        self.logger = logger
        controller = Controller(limits: settings.limits)
    }

    /// Leads when no other does, until the task is cancelled; then another may at once.
    public func run() async {
        while !Task.isCancelled {
            var pause = settings.idlePause
            do throws(ControlFailure) {
                if try await isLeading(), try await step() { pause = settings.busyPause }
            } catch {
                logger.info("the controller waits", metadata: ["reason": "\(error)"])
            }
            try? await Task.sleep(for: pause)
        }
        if let lease {
            // Not cancelled with this task: the key would stay for the rest of the lease.
            let coordinator = coordinator
            await Task { try? await coordinator.revoke(lease) }.value
        }
    }

    // MARK: Leading

    private func isLeading() async throws(ControlFailure) -> Bool {
        if let lease {
            guard renewed.duration(to: .now) >= settings.lease / 4 else { return true }
            do throws(CoordinatorFailure) {
                try await coordinator.keepAlive(lease)
                renewed = .now
                return true
            } catch .leaseExpired {
                logger.notice("another router may control the cluster")
                self.lease = nil
            } catch {
                throw .unavailable("\(error)")
            }
        }
        do throws(CoordinatorFailure) {
            guard try await coordinator.get(CoordinatorKey.controller) == nil else { return false }
            let lease = try await coordinator.grantLease(settings.lease)
            let transaction = CoordinatorTransaction(
                conditions: [.absent(CoordinatorKey.controller)],
                operations: [.put(CoordinatorKey.controller, ByteBuffer(string: node.rawValue), lease: lease)])
            guard try await coordinator.commit(transaction) != nil else {
                try await coordinator.revoke(lease)
                return false
            }
            self.lease = lease
            renewed = .now
        } catch { throw .unavailable("\(error)") }
        // What a predecessor has seen is not known here.
        controller = Controller(limits: settings.limits)
        logger.notice("this router controls the cluster")
        return true
    }

    // MARK: Work

    /// - Returns: whether there is more to do soon.
    private func step() async throws(ControlFailure) -> Bool {
        var situation = Controller.Situation(rows: view.rows, nodes: view.nodes)
        situation.settings = try await store.read(CoordinatorKey.settings).value ?? ClusterSettings()
        situation.departures = try await store.read(CoordinatorKey.departures).value ?? NodeDepartures()
        let job = try await store.read(CoordinatorKey.rebalance, RebalanceJob.self)
        situation.job = job.value
        situation.storedBytes = await loads.book.storedBytes
        situation.responsive = await loads.responsive
        let actions = controller.step(situation, now: start.duration(to: .now), time: clock.now())
        var changes: [(expected: ShardMapRow, new: ShardMapRow)] = []
        for case .change(let expected, let new) in actions { changes.append((expected, new)) }
        let written = try await store.swap(changes)
        if !changes.isEmpty {
            logger.info("rows changed", metadata: ["written": "\(written)", "of": "\(changes.count)"])
        }
        for case .job(let next) in actions {
            _ = try await store.write(CoordinatorKey.rebalance, next, over: job.revision)
            if next.isOver {
                logger.notice(
                    "the rebalance is over",
                    metadata: [
                        "state": "\(next.state)", "settled": "\(next.settled)", "dropped": "\(next.dropped)",
                        "reset": "\(next.reset)",
                    ])
            }
        }
        return !actions.isEmpty || situation.job.map { !$0.isOver } ?? false
            || situation.rows.contains { !$0.target.isEmpty }
    }
}

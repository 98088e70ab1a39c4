import Domain
import Foundation
import Identity
import Logging
import NIOCore
import NIOPosix
import Routing
import Storage
import Synchronization
import Transport
import Wire

/// The slots of one node: its store, its log writer, and as many executors as there are cores.
public final class SlotNode: Sendable {
    public struct Configuration: Sendable {
        public var node: NodeID
        public var cluster: ClusterID
        /// The data folder.
        public var folder: String
        public var services: ServiceRegistry
        public var tokenSecret: TokenSecret
        public var clock: WallClock
        public var view: any ClusterView
        /// Delivers effects to other slots, those of this node among them.
        public var caller: any SlotCaller
        public var limits = SlotLimits()
        public var storeLimits = StoreLimits()
        /// Event loops that slots are spread over, when they get their own.
        public var executors = System.coreCount
        /// Event loops of the process that slots are spread over instead: a call that has come in on its slot's own
        /// loop is carried out without a change of thread.
        public var eventLoops: (any EventLoopGroup)?
        public var logger: Logger
        /// Ends the process when the store fails.
        public var fail: @Sendable (StorageFailure) -> Never = endProcess

        public init(
            node: NodeID, cluster: ClusterID, folder: String, services: ServiceRegistry, tokenSecret: TokenSecret,
            clock: WallClock, view: any ClusterView, caller: any SlotCaller, logger: Logger
        ) {
            self.node = node
            self.cluster = cluster
            self.folder = folder
            self.services = services
            self.tokenSecret = tokenSecret
            self.clock = clock
            self.view = view
            self.caller = caller
            self.logger = logger
        }
    }

    private let environment: SlotEnvironment
    private let hosts: [SlotHost]
    /// The slots' own event loops.
    private let group: MultiThreadedEventLoopGroup?
    /// For recovery, trimming and flushing, which block.
    private let maintenance: NIOThreadPool
    private let keeper = Mutex<Task<Void, Never>?>(nil)
    /// Who waits for slots to serve.
    private let serving = ServingSlots()

    public var store: StoreID { environment.store.identity.store }

    /// Opens the data folder and starts threads; no slot is served yet.
    ///
    /// - Throws: ``StorageFailure``.
    public static func open(_ configuration: Configuration) async throws -> SlotNode {
        let node = try await SlotNode(configuration)
        node.startKeeper()
        return node
    }

    private init(_ configuration: Configuration) async throws {
        let maintenance = NIOThreadPool(numberOfThreads: 2)
        maintenance.start()
        self.maintenance = maintenance
        let store: Store
        do {
            store = try await maintenance.runIfActive {
                try Store(
                    folder: configuration.folder, cluster: configuration.cluster, limits: configuration.storeLimits)
            }
        } catch {
            try? await maintenance.shutdownGracefully()
            throw error
        }
        let metrics = SlotMetrics()
        let limits = configuration.limits
        environment = SlotEnvironment(
            node: configuration.node, store: store,
            writer: LogWriter(
                log: store.log, limits: configuration.storeLimits,
                report: { report in
                    metrics.batchEntries.record(report.entries)
                    metrics.batchBytes.record(report.bytes)
                    metrics.syncLatency.recordNanoseconds(Int64(report.duration / .nanoseconds(1)))
                }, fail: configuration.fail),
            services: configuration.services, clock: configuration.clock, tokenSecret: configuration.tokenSecret,
            limits: limits, readers: BoundedPool(threads: limits.readerThreads, limit: limits.queuedReads),
            computers: BoundedPool(threads: limits.computeThreads, limit: limits.queuedComputations),
            caller: configuration.caller, metrics: metrics, logger: configuration.logger, fail: configuration.fail)
        let own =
            configuration.eventLoops == nil
            ? MultiThreadedEventLoopGroup(numberOfThreads: max(1, configuration.executors)) : nil
        group = own
        var hosts: [SlotHost] = []
        for loop in (configuration.eventLoops ?? own)?.makeIterator() ?? EventLoopIterator([]) {
            hosts.append(
                try await SlotHost.make(
                    on: loop, environment: environment, view: configuration.view,
                    served: { [serving] in serving.served($0) }))
        }
        self.hosts = hosts
    }

    private func host(_ slot: Slot) -> SlotHost { hosts[Int(slot.rawValue) % hosts.count] }

    // MARK: Slots

    /// Reads the store off the executors; `body` may block for the time of a few megabytes.
    func read<Value: Sendable>(_ body: @escaping @Sendable (Store) throws -> Value) async throws -> Value {
        try await maintenance.runIfActive { [store = environment.store] in try body(store) }
    }

    /// Callers of these slots are told to wait: they are about to be opened.
    public func prepare(_ slots: [Slot]) async {
        for slot in slots { await host(slot).prepare(slot) }
    }

    /// The highest epoch that the disk has seen of each slot; a new one must lie above it.
    ///
    /// - Throws: ``StorageFailure``.
    public func knownEpochs(_ slots: Set<Slot>) async throws -> [Slot: Epoch] {
        try await maintenance.runIfActive { [store = environment.store] in
            var known: [Slot: Epoch] = [:]
            for slot in slots {
                known[slot] = max(try store.state.applied(slot).epoch, try store.log.last(slot)?.epoch ?? .zero)
            }
            return known
        }
    }

    /// Brings the slots up from disk and begins the epochs that this node has won. Returns when all of them serve.
    ///
    /// - Throws: ``StorageFailure`` when a slot's log and state do not fit together, or an epoch is not new.
    public func open(_ slots: [(slot: Slot, epoch: Epoch)]) async throws {
        let recovery = SlotRecovery(
            store: environment.store, limits: environment.limits, now: environment.clock.now())
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for (slot, epoch) in slots {
                tasks.addTask { [self] in
                    let recovered = try await maintenance.runIfActive { try recovery.recover(slot) }
                    guard epoch > recovered.applied.epoch else {
                        throw StorageFailure.corrupt(
                            "slot \(slot) is given epoch \(epoch), but its log holds epoch \(recovered.applied.epoch): "
                                + "the coordinator has gone back in time")
                    }
                    await host(slot).open(slot, recovered, epoch: epoch)
                    await serving.wait(slot)
                }
            }
            try await tasks.waitForAll()
        }
    }

    /// The slot has another primary, by the row of this epoch.
    public func close(_ slot: Slot, epoch: Epoch) async {
        serving.closed(slot)
        await host(slot).close(slot, epoch: epoch)
    }

    /// Serves one call.
    public func perform(_ call: SlotCall, deadline: NIODeadline) async -> SlotReply {
        await withCheckedContinuation { continuation in
            perform(call, deadline: deadline) { continuation.resume(returning: $0) }
        }
    }

    /// Serves one call.
    ///
    /// - Parameter complete: called once, on the slot's event loop.
    public func perform(
        _ call: SlotCall, deadline: NIODeadline, complete: @escaping @Sendable (SlotReply) -> Void
    ) {
        host(call.slot).perform(call, deadline: deadline, complete: complete)
    }

    /// Takes gateways' event streams.
    public var eventStreams: any StreamAcceptor { EventStreams { self } }

    func streamRequest(_ request: EventStreamRequest, from stream: any TransportStream) {
        host(request.root.slot).streamRequest(request, from: stream)
    }

    func streamClosed(_ stream: any TransportStream) {
        for host in hosts { host.streamClosed(stream) }
    }

    public func status() async -> NodeStatus {
        var status = NodeStatus(slots: [], logQueueBytes: environment.writer.queuedBytes)
        for host in hosts { status.slots += await host.tidy(now: environment.clock.now()).slots }
        status.slots.sort { $0.slot < $1.slot }
        return status
    }

    // MARK: Housekeeping

    private func startKeeper() {
        let environment = environment
        let hosts = hosts
        let maintenance = maintenance
        let task = Task {
            var keeper = LogKeeper(limits: environment.limits)
            let clock = ContinuousClock()
            while !Task.isCancelled {
                do { try await Task.sleep(for: environment.limits.logTrimming, clock: clock) } catch { return }
                var report = ExecutorReport()
                for host in hosts { report.add(await host.tidy(now: environment.clock.now())) }
                report.record(environment)
                let work = keeper.next(applied: report.applied, now: clock.now)
                do {
                    let trimmed = try await maintenance.runIfActive {
                        try work.run(environment.store, environment.writer)
                    }
                    keeper.done(trimmed)
                } catch let failure as StorageFailure {
                    environment.fail(failure)
                } catch {
                    // The pool is shut down: the node stops.
                    return
                }
            }
        }
        keeper.withLock { $0 = task }
    }

    // MARK: The end

    /// Refuses new commands, lets those under way finish, brings log and state to disk and lets go of the store.
    public func drain(until deadline: NIODeadline) async {
        for host in hosts { await host.drain() }
        while NIODeadline.now() < deadline {
            var isIdle = true
            for host in hosts where await !host.isIdle() { isIdle = false }
            if isIdle { break }
            try? await Task.sleep(for: .milliseconds(5))
        }
        let running = keeper.withLock { $0 }
        running?.cancel()
        await running?.value
        await environment.readers.shutdown()
        await environment.computers.shutdown()
        for host in hosts { await host.closeAll() }
        do {
            try await maintenance.runIfActive { [environment] in
                environment.writer.stop()
                try environment.store.state.flush()
            }
        } catch {
            environment.logger.error("the state is not flushed", metadata: ["error": "\(error)"])
        }
        // What the log writer has sent to the loops last has run when they answer; after that they touch no store.
        for host in hosts { _ = await host.isIdle() }
        try? await group?.shutdownGracefully()
        environment.store.close()
        try? await maintenance.shutdownGracefully()
    }
}

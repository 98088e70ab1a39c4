import Coordination
import Domain
import Foundation
import Identity
import Logging
import NIOCore
import NIOPosix
import Placement
import Replication
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
        /// Holds the rows of the shard map.
        public var coordinator: any Coordinator
        /// Reaches the other guild nodes; absent on a node that replicates nothing.
        public var client: (any CallClient)?
        /// Delivers effects to other slots, those of this node among them.
        public var caller: any SlotCaller
        public var limits = SlotLimits()
        public var storeLimits = StoreLimits()
        public var diskLimits = DiskPressure.Limits()
        /// Bytes in use and bytes available on the disk under a folder.
        public var diskSpace: @Sendable (_ folder: String) throws(StorageFailure) -> (used: Int, available: Int) =
            DiskGuard.space
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
            clock: WallClock, coordinator: any Coordinator, view: any ClusterView, caller: any SlotCaller,
            logger: Logger
        ) {
            self.node = node
            self.cluster = cluster
            self.folder = folder
            self.services = services
            self.tokenSecret = tokenSecret
            self.clock = clock
            self.coordinator = coordinator
            self.view = view
            self.caller = caller
            self.logger = logger
        }
    }

    let environment: SlotEnvironment
    private let hosts: [SlotHost]
    /// The slots' own event loops.
    private let group: MultiThreadedEventLoopGroup?
    /// For recovery, trimming and flushing, which block.
    private let maintenance: NIOThreadPool
    private let storedSizes = StoredSizes()
    /// What goes on for as long as the node runs.
    private let housekeeping = Mutex<[Task<Void, Never>]>([])
    /// Which slots serve, and who waits for some to.
    private let serving: ServingSlots
    /// The hub's own thread.
    private let hubGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let post: ReplicationPost
    private let judgement = ClockJudgement()
    /// For those who compare replicas.
    let heldRows = HeldRows()
    let snapshotTurns: Turns

    /// Whether this node's clock can be believed.
    public var clockVerdict: ClockGuard.Verdict { judgement.verdict.withLock { $0 } }

    public var store: StoreID { environment.store.identity.store }

    /// Opens the data folder and starts threads; no slot is served yet.
    ///
    /// - Throws: ``StorageFailure``.
    public static func open(_ configuration: Configuration) async throws -> SlotNode {
        let node = try await SlotNode(configuration)
        node.housekeeping.withLock { $0 = [node.keepLog(), node.watchDisk()] }
        return node
    }

    private init(_ configuration: Configuration) async throws {
        let maintenance = NIOThreadPool(numberOfThreads: 3)
        maintenance.start()
        self.maintenance = maintenance
        let metrics = SlotMetrics()
        let disk = DiskGuard(configuration)
        let store: Store
        do {
            store = try await maintenance.runIfActive {
                // First: a full disk's ballast makes room for opening.
                try disk.begin(in: configuration.folder)
                return try Store(
                    folder: configuration.folder, cluster: configuration.cluster, limits: configuration.storeLimits)
            }
        } catch {
            try? await maintenance.shutdownGracefully()
            throw error
        }
        let limits = configuration.limits
        let life = UInt64.random(in: 1 ... .max)
        environment = SlotEnvironment(
            node: configuration.node, life: life, store: store, disk: disk,
            writer: LogWriter(
                log: store.log, limits: configuration.storeLimits,
                report: { report in
                    metrics.batchEntries.record(report.entries)
                    metrics.batchBytes.record(report.bytes)
                    metrics.syncLatency.recordNanoseconds(Int64(report.duration / .nanoseconds(1)))
                    configuration.logger.noteSlow("the log's disk was slow", report.duration, limits)
                }, fail: configuration.fail),
            services: configuration.services, clock: configuration.clock, tokenSecret: configuration.tokenSecret,
            limits: limits, readers: BoundedPool(threads: limits.readerThreads, limit: limits.queuedReads),
            computers: BoundedPool(threads: limits.computeThreads, limit: limits.queuedComputations),
            disks: BoundedPool(threads: limits.diskThreads, limit: limits.queuedDiskWork),
            movers: BoundedPool(threads: limits.moverThreads, limit: limits.queuedDiskWork, isBackground: true),
            caller: configuration.caller, client: configuration.client, metrics: metrics, logger: configuration.logger,
            fail: configuration.fail)
        let own =
            configuration.eventLoops == nil
            ? MultiThreadedEventLoopGroup(numberOfThreads: max(1, configuration.executors)) : nil
        group = own
        let serving = ServingSlots()
        self.serving = serving
        var hosts: [SlotHost] = []
        for loop in (configuration.eventLoops ?? own)?.makeIterator() ?? EventLoopIterator([]) {
            hosts.append(
                try await SlotHost.make(
                    on: loop, number: hosts.count, environment: environment, view: configuration.view,
                    served: { $1 ? serving.served($0) : serving.closed($0) }))
        }
        self.hosts = hosts
        snapshotTurns = Turns(limit: limits.waitingSnapshots)
        post = try await SlotNode.makePost(configuration, life, hosts, judgement, on: hubGroup.next())
        let (epochs, markers) = try await maintenance.runIfActive {
            (try store.log.knownEpochs(), try store.log.markers())
        }
        // What was wiped at start has nothing of what its epoch stood for.
        let known = epochs.filter { $0.value > .zero && !store.wiped.contains($0.key) }
        post.epochsKnown(known)
        for host in hosts {
            await host.start(
                post, knownEpochs: known, absences: markers.mapValues { .broken("it was marked: \($0)") })
        }
    }

    private static func makePost(
        _ configuration: Configuration, _ life: UInt64, _ hosts: [SlotHost], _ judgement: ClockJudgement,
        on loop: any EventLoop
    ) async throws -> ReplicationPost {
        let byHost: @Sendable (Slot) -> Int = { Int($0.rawValue) % hosts.count }
        let hub = try await loop.submit {
            NIOLoopBound(
                ReplicationHub(
                    loop: loop, node: configuration.node, life: life, limits: configuration.limits.replication,
                    client: configuration.client, logger: configuration.logger, clock: configuration.clock,
                    opened: { id, stream in for host in hosts { host.execute { $0.connected(id, stream) } } },
                    post: { news in for host in hosts { host.execute { $0.peersChanged(news) } } },
                    clockJudged: { verdict in judgement.verdict.withLock { $0 = verdict } }), eventLoop: loop)
        }.get()
        let swapper = RowSwapper(
            coordinator: configuration.coordinator, view: configuration.view, logger: configuration.logger
        ) { settled in
            loop.execute { hub.value.rowsChanged(settled.map(\.row)) }
            for (number, settled) in Dictionary(grouping: settled, by: { byHost($0.row.slot) }) {
                hosts[number].execute { $0.settled(settled) }
            }
        }
        return ReplicationPost(hub, on: loop, swapper: swapper) { allowed, refused in
            for (number, host) in hosts.enumerated() {
                let own = (
                    allowed: allowed.filter { byHost($0.new.slot) == number },
                    refused: refused.filter { byHost($0.new.slot) == number }
                )
                host.execute { $0.campaignsJudged(own.allowed, own.refused) }
            }
        }
    }

    func host(_ slot: Slot) -> SlotHost { hosts[Int(slot.rawValue) % hosts.count] }

    // MARK: The cluster

    /// Reads the store off the executors; `body` may block for the time of a few megabytes.
    func read<Value: Sendable>(_ body: @escaping @Sendable (Store) throws -> Value) async throws -> Value {
        try await maintenance.runIfActive { [store = environment.store] in try body(store) }
    }

    /// Rows of the shard map, as they change: the node takes its part in those that name it, and leaves the others.
    public func rowsChanged(_ rows: [ShardMapRow]) {
        post.rowsChanged(rows)
        for (number, rows) in Dictionary(grouping: rows, by: { Int($0.slot.rawValue) % hosts.count }) {
            hosts[number].execute { executor in for row in rows { executor.rowChanged(row) } }
        }
    }

    /// The nodes of the cluster, as the coordinator lists them.
    public func nodesChanged(_ nodes: [NodeRecord]) { post.nodesChanged(nodes) }

    /// Messages of other guild nodes.
    ///
    /// - Throws: ``EntryError`` when an entry among them is not what was written; then none is taken.
    func received(_ messages: [ReplicationMessage], from id: NodeID) throws {
        var byHost: [Int: [SlotMessage]] = [:]
        func add(_ message: SlotMessage, _ slot: Slot) {
            byHost[Int(slot.rawValue) % hosts.count, default: []].append(message)
        }
        for message in messages {
            switch message {
            case .append(let append): add(.append(try ReceivedAppend(append)), append.slot)
            case .appendReply(let reply): add(.reply(reply), reply.slot)
            case .handOver(let slot, let epoch): add(.handOver(slot, epoch), slot)
            case .admission(let slot, let epoch, let life): add(.admission(slot, epoch, life: life), slot)
            case .beacon, .beaconReply: post.received(message, from: id)
            }
        }
        for (number, messages) in byHost { hosts[number].execute { $0.received(messages, from: id) } }
    }

    /// Takes snapshots of slots from their primaries.
    public var snapshotStreams: any StreamAcceptor { SnapshotStreams { self } }

    /// Whether the slot serves here, as far as this node knows.
    public func serves(_ slot: Slot) -> Bool { serving.serves(slot) }

    /// Returns when the slots serve here, or the node has stopped.
    public func waitUntilServing(_ slots: [Slot]) async { for slot in slots { await serving.wait(slot) } }

    // MARK: Calls

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
    /// Takes other guild nodes' replication streams.
    public var replicationStreams: any StreamAcceptor { ReplicationStreams { self } }

    func streamRequest(_ request: EventStreamRequest, from stream: any TransportStream) {
        host(request.root.slot).streamRequest(request, from: stream)
    }

    func streamClosed(_ stream: any TransportStream) {
        for host in hosts { host.streamClosed(stream) }
    }

    public func status() async -> NodeStatus {
        var status = NodeStatus(slots: [], logQueueBytes: environment.writer.queuedBytes)
        for host in hosts {
            let report = await host.tidy(now: environment.clock.now())
            status.slots += report.slots
            status.guilds += report.guilds
        }
        status.slots.sort { $0.slot < $1.slot }
        status.disk = environment.disk.usage.map {
            NodeStatus.Disk(used: UInt64(max(0, $0.used)), available: UInt64(max(0, $0.available)))
        }
        let slots = status.slots.map(\.slot)
        let sizes = await storedSizes.sizes(now: .now()) { [environment] in
            try await environment.movers.run { try environment.store.state.sizes(slots) }
        }
        for index in status.slots.indices {
            status.slots[index].load.storedBytes = UInt64(max(0, sizes[status.slots[index].slot, default: 0]))
        }
        return status
    }

    // MARK: Housekeeping

    private func keepLog() -> Task<Void, Never> {
        let environment = environment
        let hosts = hosts
        let maintenance = maintenance
        return Task {
            var keeper = LogKeeper(limits: environment.limits)
            let clock = ContinuousClock()
            while !Task.isCancelled {
                do { try await Task.sleep(for: environment.limits.logTrimming, clock: clock) } catch { return }
                var report = ExecutorReport()
                for host in hosts { report.add(await host.tidy(now: environment.clock.now())) }
                report.record(environment)
                let work = keeper.next(applied: report.applied, trimLimits: report.trimLimits, now: clock.now)
                do {
                    let trimmed = try await maintenance.runIfActive {
                        try work.run(environment.store, environment.writer)
                    }
                    keeper.done(trimmed)
                    for host in hosts { host.execute { $0.trimmed(trimmed) } }
                } catch let failure as StorageFailure {
                    environment.fail(failure)
                } catch {
                    // The pool is shut down: the node stops.
                    return
                }
            }
        }
    }

    private func watchDisk() -> Task<Void, Never> {
        let environment = environment
        let maintenance = maintenance
        return Task {
            while !Task.isCancelled {
                do {
                    try await Task.sleep(for: environment.limits.diskChecking)
                    try await maintenance.runIfActive {
                        try environment.disk.checkAndRecord(environment.metrics)
                        environment.store.paceCompactions()
                    }
                } catch let failure as StorageFailure {
                    environment.fail(failure)
                } catch {
                    return
                }
            }
        }
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
        let running = housekeeping.withLock { $0 }
        for task in running { task.cancel() }
        for task in running { await task.value }
        await post.close()
        await heldRows.stop()
        await environment.readers.shutdown()
        await environment.computers.shutdown()
        for host in hosts { await host.closeAll() }
        await environment.disks.shutdown()
        await environment.movers.shutdown()
        serving.close()
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
        try? await hubGroup.shutdownGracefully()
        environment.store.close()
        try? await maintenance.shutdownGracefully()
    }
}

import DequeModule
import Domain
import Identity
import Logging
import NIOCore
import Placement
import Replication
import Routing
import Storage
import Transport
import Wire

/// The slots of one event loop, and what they share there. Used on that loop only; ``SlotHost`` is the way in.
///
/// What one turn of the loop makes is gathered and goes out together: one append to the log, one message to each other
/// node, one batch of the state (DESIGN §6.2). An append to the others does not wait for the disk here.
final class SlotExecutor {
    let loop: any EventLoop
    /// Which of the node's executors it is.
    let number: Int
    let environment: SlotEnvironment
    let view: any ClusterView
    let hub: EventHub
    /// Set once, before any row comes.
    var post: ReplicationPost?
    var replicas: [Slot: SlotReplica] = [:]
    /// The newest row of each slot that names this node or did.
    var rows: [Slot: ShardMapRow] = [:]
    /// Slots that are not to be touched now, and why.
    var absences: [Slot: SlotAbsence] = [:]
    /// Whose data is to be deleted with the next ones.
    var toClear: [(slot: Slot, isBroken: Bool)] = []
    var isClearingDue = false
    /// What the disk remembers of slots that are not loaded yet.
    var knownEpochs: [Slot: Epoch] = [:]
    var peers: PeerNews?
    var streams: [NodeID: any TransportStream] = [:]
    var catchUps: [NodeID: CatchUp] = [:]
    var snapshotsToSend: Deque<(slot: Slot, to: NodeID)> = []
    var isSendingSnapshot = false

    // What the turn has made so far.
    var changes: [LogChange] = []
    var outgoing: [NodeID: [ReplicationMessage]] = [:]
    var dirty: [SlotReplica] = []
    var toApply: [SlotReplica] = []
    var swaps: [RowSwap] = []
    var campaigns: [RowSwap] = []
    var isFlushScheduled = false
    var claimsChanged = false
    var newClaims: Claims = [:]
    var guildActivity = GuildActivity(now: .now())
    /// Slots that have begun to serve and are not logged.
    private var begun = 0

    /// What the log writer calls; made at first use, and let go of at the end.
    private var relay: DurabilityRelay?
    private var ticks: RepeatedTask?
    /// Called with each slot that begins to serve, and that ends to.
    private let served: @Sendable (Slot, Bool) -> Void
    private(set) var isDraining = false
    /// The store is about to be let go of: nothing may touch it any more.
    private(set) var isClosed = false

    init(
        loop: any EventLoop, number: Int, environment: SlotEnvironment, view: any ClusterView,
        served: @escaping @Sendable (Slot, Bool) -> Void
    ) {
        loop.preconditionInEventLoop()
        self.loop = loop
        self.number = number
        self.environment = environment
        self.view = view
        self.served = served
        hub = EventHub(logger: environment.logger, metrics: environment.metrics)
    }

    /// From now on rows may come.
    func start(_ post: ReplicationPost, knownEpochs: [Slot: Epoch], absences: [Slot: SlotAbsence]) {
        self.post = post
        self.knownEpochs = knownEpochs
        self.absences = absences
        let bound = NIOLoopBound(self, eventLoop: loop)
        let pause = TimeAmount.nanoseconds(Int64(environment.limits.replicationTick / .nanoseconds(1)))
        ticks = loop.scheduleRepeatedTask(initialDelay: pause, delay: pause) { _ in bound.value.tick() }
    }

    // MARK: Slots

    func slotServes(_ runtime: SlotRuntime) {
        served(runtime.slot, true)
        begun += 1
        guard begun == 1 else { return }
        // One line for all that begin together.
        schedule(in: .milliseconds(500)) { [weak self] in
            guard let self else { return }
            environment.logger.info("slots are served", metadata: ["count": "\(begun)"])
            begun = 0
        }
    }

    func slotServesNoMore(_ slot: Slot) { served(slot, false) }

    /// New commands are refused from now on, and no further step of work begins; what is under way goes on.
    func drain() { isDraining = true }

    var isIdle: Bool { replicas.values.allSatisfy { $0.runtime?.isIdle ?? true } }

    /// Whoever still waits is told to try elsewhere.
    func closeAll() {
        ticks?.cancel()
        for (slot, replica) in replicas {
            replica.abandonAwaitedRows("the node stops")
            guard let runtime = replica.runtime else { continue }
            runtime.retire("the node stops")
            hub.leave(slot, epoch: replica.core.epoch)
        }
        // What was made in this turn is not said any more; what was said is in the log.
        handOver()
        replicas = [:]
        relay = nil
        isClosed = true
    }

    // MARK: Calls

    func perform(_ call: SlotCall, deadline: NIODeadline, complete: @escaping (SlotReply) -> Void) {
        environment.metrics.commands.increment()
        guard let replica = replicas[call.slot], let runtime = replica.runtime else { return complete(notHere(call)) }
        if call.epoch > replica.core.epoch, let row = view.row(call.slot), row.primary != environment.node {
            return complete(.moved(row.epoch))
        }
        if isDraining { return refuse("the node stops", complete) }
        guard runtime.isServing else { return refuse("the slot is starting", complete) }
        guard replica.core.mayServe(now: .now()) else {
            return refuse("the slot's other replicas are silent", complete)
        }
        guard runtime.pendingCount < environment.limits.pendingCommands else {
            return refuse("too many commands wait in the slot", complete)
        }
        guard !environment.writer.isFull else { return refuse("the log's disk does not keep up", complete) }
        // Requests of clients may read: they are refused once they would write.
        if call.kind == .outbox || call.kind == .restore, let failure = environment.diskFailure {
            return refuse("\(failure)", complete)
        }
        let began = NIODeadline.now()
        defer { replica.load.spent(since: began) }
        replica.load.requests &+= 1
        switch call.kind {
        case .rest: runtime.rest(call.body, requestID: call.requestID, deadline: deadline, complete: complete)
        case .outbox: runtime.receive(call.body, complete: complete)
        case .ping: complete(.done(ByteBuffer()))
        case .authenticate: runtime.authenticate(call.body, complete: complete)
        case .profile: runtime.profile(call.body, complete: complete)
        case .restore: runtime.restore(call.body, complete: complete)
        }
    }

    private func refuse(_ reason: String, _ complete: (SlotReply) -> Void) {
        environment.metrics.refused.increment()
        complete(.unavailable(reason))
    }

    private func notHere(_ call: SlotCall) -> SlotReply {
        let known = [rows[call.slot], view.row(call.slot)].compactMap { $0 }.max { $0.epoch < $1.epoch }
        guard let row = known else { return .moved(call.epoch) }
        return row.primary == environment.node ? .unavailable("the slot is starting") : .moved(row.epoch)
    }

    // MARK: Streams

    func streamRequest(_ request: EventStreamRequest, from stream: any TransportStream) {
        if let runtime = replicas[request.root.slot]?.runtime {
            runtime.streamRequest(request, from: stream)
        } else {
            answerMoved(request, to: stream)
        }
    }

    func answerMoved(_ request: EventStreamRequest, to stream: any TransportStream) {
        let root = request.root
        hub.send(.moved(root: root, epoch: view.row(root.slot)?.epoch ?? .zero, tag: request.tag), to: stream)
    }

    // MARK: The turn's end

    func scheduleFlush() {
        guard !isFlushScheduled, !isClosed else { return }
        isFlushScheduled = true
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.execute { bound.value.flush() }
    }

    private func flush() {
        isFlushScheduled = false
        guard !isClosed else { return }
        let now = BootTime.now()
        let pumped = dirty
        dirty = []
        for replica in pumped {
            replica.isDirty = false
            replica.core.pump(now: now)
            carryOut(replica, now: now)
        }
        handOver()
        sendMessages()
        sendSwaps()
        applyCommitted()
        tellNewClaims()
    }

    func handOver() {
        guard !changes.isEmpty else { return }
        let batch = changes
        changes = []
        let relay = relay ?? DurabilityRelay(NIOLoopBound(self, eventLoop: loop), loop)
        self.relay = relay
        environment.writer.write(batch, observer: relay)
    }

    private func sendSwaps() {
        if !campaigns.isEmpty { post?.campaign(campaigns) }
        campaigns = []
        guard !swaps.isEmpty else { return }
        // Whoever changes a row has it on disk: so a row that no disk knows follows from one that its author's disk knows.
        let isReady: (RowSwap) -> Bool = { [replicas] swap in
            guard let replica = replicas[swap.expected.slot] else { return true }
            return replica.core.isBlank || replica.durableRow >= swap.expected.epoch
        }
        let ready = swaps.filter(isReady)
        swaps.removeAll(where: isReady)
        if !ready.isEmpty { post?.swap(ready) }
    }

    /// Applies what is committed, of all slots in one batch; of very much a part, as other slots' answers wait meanwhile.
    private func applyCommitted() {
        guard !toApply.isEmpty else { return }
        let replicas = toApply
        toApply = []
        var room = environment.limits.appliedEntries
        var applying: [(replica: SlotReplica, what: (through: LogIndex, floors: [RootEntity: EventNumber]))] = []
        let batch = environment.store.state.makeBatch()
        for replica in replicas {
            replica.isToApply = false
            guard self.replicas[replica.slot] === replica else { continue }
            guard room > 0 else {
                markToApply(replica)
                scheduleFlush()
                continue
            }
            let began = NIODeadline.now()
            defer { replica.load.spent(since: began) }
            do throws(StorageFailure) {
                if let what = try replica.addCommitted(to: batch, atMost: room) {
                    room -= Int(what.through.rawValue - replica.core.appliedIndex.rawValue)
                    applying.append((replica, what))
                }
            } catch {
                guard error.isLocal else { environment.fail(error) }
                // What of it is in the batch already does no harm: the slot's rows are not used any more.
                takeOut(replica, "\(error)")
            }
        }
        guard !applying.isEmpty else { return }
        writeState(batch)
        let now = BootTime.now()
        for (replica, what) in applying {
            let began = NIODeadline.now()
            replica.finishApplying(what, now: now)
            replica.core.advanceHandOver(now: now)
            carryOut(replica, now: now)
            replica.load.spent(since: began)
            fulfilHolds(of: replica)
            // What was left out for them, or for want of room.
            guard replica.core.appliedIndex < min(replica.core.commitIndex, replica.core.durableIndex) else { continue }
            markToApply(replica)
            scheduleFlush()
        }
    }

    private func writeState(_ batch: StateStore.Batch) {
        let begun = ContinuousClock.now
        do throws(StorageFailure) { try environment.store.state.write(batch) } catch { environment.fail(error) }
        environment.logger.noteSlow("the state's store was slow", .now - begun, environment.limits)
    }

    // MARK: Time

    func schedule(in pause: Duration, _ body: @escaping () -> Void) {
        let bound = NIOLoopBound((executor: self, body: body), eventLoop: loop)
        loop.scheduleTask(in: .nanoseconds(Int64(pause / .nanoseconds(1)))) {
            if !bound.value.executor.isClosed { bound.value.body() }
        }
    }
}

/// Brings news from the log writer's thread to the executor's loop.
final class DurabilityRelay: DurabilityObserver {
    private let executor: NIOLoopBound<SlotExecutor>
    private let loop: any EventLoop

    init(_ executor: NIOLoopBound<SlotExecutor>, _ loop: any EventLoop) {
        self.executor = executor
        self.loop = loop
    }

    func durable(_ slots: [Slot: Durability]) {
        loop.execute { [executor] in executor.value.durable(slots) }
    }
}

extension EventStreamRequest {
    var root: RootEntity {
        switch self {
        case .subscribe(let root, _, _, _), .unsubscribe(let root), .snapshot(let root, _, _),
            .fetch(let root, _, _, _):
            root
        }
    }

    var tag: UInt64 {
        switch self {
        case .subscribe(_, _, _, let tag), .snapshot(_, _, let tag), .fetch(_, _, _, let tag): tag
        case .unsubscribe: 0
        }
    }
}

import Domain
import Identity
import Logging
import NIOCore
import Replication
import Routing
import Storage
import Transport
import Wire

/// The slots of one event loop, and what they share there. Used on that loop only; ``SlotHost`` is the way in.
final class SlotExecutor {
    let loop: any EventLoop
    let environment: SlotEnvironment
    let view: any ClusterView
    let hub: EventHub
    private(set) var slots: [Slot: SlotRuntime] = [:]
    /// Slots whose row names this node and that are being recovered.
    private var opening: Set<Slot> = []
    private var appends: [LogWriter.Append] = []
    /// What the log writer calls; made at first use, and let go of at the end.
    private var relay: DurabilityRelay?
    /// Called with each slot that begins to serve.
    private let served: @Sendable (Slot) -> Void
    private(set) var isDraining = false
    /// The store is about to be let go of: nothing may touch it any more.
    private var isClosed = false

    init(
        loop: any EventLoop, environment: SlotEnvironment, view: any ClusterView,
        served: @escaping @Sendable (Slot) -> Void
    ) {
        loop.preconditionInEventLoop()
        self.loop = loop
        self.environment = environment
        self.view = view
        self.served = served
        hub = EventHub(logger: environment.logger, metrics: environment.metrics)
    }

    // MARK: Slots

    /// The slot's row names this node; until ``open(_:_:epoch:)`` callers are told to wait.
    func prepare(_ slot: Slot) { opening.insert(slot) }

    /// The slot is not to be opened after all.
    func cancel(_ slot: Slot) { opening.remove(slot) }

    func open(_ slot: Slot, _ recovered: RecoveredSlot, epoch: Epoch) {
        precondition(slots[slot] == nil, "a slot is on one executor, once")
        opening.remove(slot)
        let runtime = SlotRuntime(slot: slot, executor: self, environment: environment)
        slots[slot] = runtime
        runtime.open(recovered, epoch: epoch)
    }

    func slotServes(_ runtime: SlotRuntime) { served(runtime.slot) }

    /// The slot has another primary.
    func close(_ slot: Slot, epoch: Epoch) {
        opening.remove(slot)
        guard let runtime = slots.removeValue(forKey: slot) else { return }
        runtime.retire("the slot has moved")
        hub.leave(slot, epoch: epoch)
    }

    /// New commands are refused from now on, and no further step of work begins; what is under way goes on.
    func drain() { isDraining = true }

    var isIdle: Bool { slots.values.allSatisfy { $0.isIdle } }

    /// Whoever still waits is told to try elsewhere.
    func closeAll() {
        for (slot, runtime) in slots {
            runtime.retire("the node stops")
            hub.leave(slot, epoch: runtime.epoch)
        }
        slots = [:]
        relay = nil
        isClosed = true
    }

    // MARK: Calls

    func perform(_ call: SlotCall, deadline: NIODeadline, complete: @escaping (SlotReply) -> Void) {
        environment.metrics.commands.increment()
        guard let runtime = slots[call.slot] else { return complete(notHere(call)) }
        if call.epoch > runtime.epoch, let row = view.row(call.slot), row.primary != environment.node {
            return complete(.moved(row.epoch))
        }
        if isDraining { return refuse("the node stops", complete) }
        guard runtime.isServing else { return refuse("the slot is starting", complete) }
        guard runtime.pendingCount < environment.limits.pendingCommands else {
            return refuse("too many commands wait in the slot", complete)
        }
        guard !environment.writer.isFull else { return refuse("the log's disk does not keep up", complete) }
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
        let row = view.row(call.slot)
        if opening.contains(call.slot) || row?.primary == environment.node {
            return .unavailable("the slot is starting")
        }
        return .moved(row?.epoch ?? call.epoch)
    }

    // MARK: Streams

    func streamRequest(_ request: EventStreamRequest, from stream: any TransportStream) {
        if let runtime = slots[request.root.slot] {
            runtime.streamRequest(request, from: stream)
        } else {
            answerMoved(request, to: stream)
        }
    }

    func answerMoved(_ request: EventStreamRequest, to stream: any TransportStream) {
        let root = request.root
        hub.send(.moved(root: root, epoch: view.row(root.slot)?.epoch ?? .zero, tag: request.tag), to: stream)
    }

    // MARK: The log

    /// Queues an entry for the log; what one turn of the loop makes is handed over together.
    func submit(_ append: LogWriter.Append) {
        appends.append(append)
        guard appends.count == 1 else { return }
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.execute { bound.value.handOver() }
    }

    private func handOver() {
        let batch = appends
        appends = []
        let relay = relay ?? DurabilityRelay(NIOLoopBound(self, eventLoop: loop), loop)
        self.relay = relay
        environment.writer.append(batch, observer: relay)
    }

    /// Entries are on disk: applies what is committed by that, of all slots in one batch.
    fileprivate func durable(_ reports: [Slot: Durability]) {
        guard !isClosed else { return }
        var committed: [(runtime: SlotRuntime, floors: [RootEntity: EventNumber])] = []
        let batch = environment.store.state.makeBatch()
        do throws(StorageFailure) {
            for (slot, report) in reports {
                guard let index = report.index, let runtime = slots[slot], runtime.durable(through: index) else {
                    continue
                }
                committed.append((runtime, try runtime.addCommitted(to: batch)))
            }
            guard !committed.isEmpty else { return }
            try environment.store.state.write(batch)
        } catch {
            environment.fail(error)
        }
        for (runtime, floors) in committed { runtime.finishApplying(floors: floors) }
    }

    // MARK: Time

    func schedule(in pause: Duration, _ body: @escaping () -> Void) {
        let bound = NIOLoopBound((executor: self, body: body), eventLoop: loop)
        loop.scheduleTask(in: .nanoseconds(Int64(pause / .nanoseconds(1)))) {
            if !bound.value.executor.isClosed { bound.value.body() }
        }
    }

    /// Forgets old events and reports sizes.
    func tidy(now: Timestamp) -> ExecutorReport {
        var report = ExecutorReport()
        for runtime in slots.values {
            runtime.ring.expire(now: now)
            report.ringEvents += runtime.ring.count
            report.ringBytes += runtime.ring.bytes
            report.pendingCommands += runtime.pendingCount
            if runtime.isServing {
                report.serving += 1
                report.applied[runtime.slot] = runtime.appliedIndex
            }
            report.slots.append(
                SlotStatus(
                    slot: runtime.slot, epoch: runtime.epoch, isServing: runtime.isServing,
                    lastIndex: runtime.lastIndex, appliedIndex: runtime.appliedIndex,
                    pendingCommands: runtime.pendingCount))
        }
        return report
    }
}

/// What an executor holds at a moment.
struct ExecutorReport: Sendable {
    var ringEvents = 0
    var ringBytes = 0
    var pendingCommands = 0
    var serving = 0
    var applied: [Slot: LogIndex] = [:]
    var slots: [SlotStatus] = []
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

import DequeModule
import Domain
import Identity
import Logging
import NIOCore
import Replication
import Storage
import Wire

/// One slot on its primary: runs commands, gives their entries a place in the log, applies what is committed, and lets
/// answers and events out (DESIGN §6, §9). Belongs to one ``SlotExecutor`` and is used on its event loop only.
///
/// A command reads through the ``Overlay`` of uncommitted entries, so the next command runs while the log is still
/// being written. In return every answer passes a *gate*: it goes out once all entries are applied that existed when
/// the command ran, since it may have read any of them.
final class SlotRuntime {
    /// An entry that has its place in the log and is not applied.
    struct Uncommitted {
        var entry: Entry
        /// The rows that follow from the entry's own fields.
        var metaOperations: [Entry.Operation]
        var events: [Event]
        var work: [(key: [UInt8], work: Work)]
    }

    struct Gate {
        var index: LogIndex
        /// Called once: without a reply when the gate opens, with one when the slot is retired before.
        var pass: (_ failure: SlotReply?) -> Void
    }

    let slot: Slot
    unowned let executor: SlotExecutor
    let environment: SlotEnvironment
    var logger: Logger

    /// `nil` until the slot is recovered and its epoch is won.
    private(set) var primary: PrimarySlot?
    private(set) var incarnation: UInt64 = 0
    let overlay = Overlay()
    let caches = SlotCaches()
    private var minter: IDMinter
    var ring: EventRing
    /// While a written batch's events go out, the state is ahead of them: the last number of its roots meanwhile.
    private var emitting: [RootEntity: EventNumber] = [:]
    private var uncommitted: Deque<Uncommitted> = []
    private var gates: Deque<Gate> = []
    /// Retries that joined a request that is being served.
    var inFlight: [RequestID: [(SlotReply) -> Void]] = [:]
    var waiting: [WaitingCommand] = []
    var nextWaiting: UInt64 = 0
    private var lastPruning = Timestamp(milliseconds: 0)
    var outbox = OutboxState()
    var sessionStarts = SessionStartCounter()
    var work: Deque<(key: [UInt8], work: Work)> = []
    var isWorking = false
    /// Gateways' requests that came before the slot served.
    var streamRequests: [() -> Void] = []

    init(slot: Slot, executor: SlotExecutor, environment: SlotEnvironment) {
        self.slot = slot
        self.executor = executor
        self.environment = environment
        logger = environment.logger
        logger[metadataKey: "slot"] = "\(slot)"
        minter = IDMinter(slot: slot)
        ring = EventRing(limits: environment.limits)
    }

    var isServing: Bool { primary?.isServing ?? false }
    var epoch: Epoch { primary?.epoch ?? .zero }
    var lastIndex: LogIndex { primary?.lastIndex ?? .zero }
    var appliedIndex: LogIndex { primary?.appliedIndex ?? .zero }
    var pendingCount: Int { gates.count + waiting.count }
    var isIdle: Bool { uncommitted.isEmpty && gates.isEmpty }

    // MARK: Life

    /// Begins an epoch: proposes its empty entry. The slot serves once that is applied.
    func open(_ recovered: RecoveredSlot, epoch: Epoch) {
        precondition(primary == nil, "a slot opens once")
        precondition(epoch > recovered.applied.epoch, "a new primary has a new epoch")
        minter = IDMinter(slot: slot, mark: recovered.applied.idMark)
        ring = recovered.ring
        work = Deque(recovered.work)
        outbox = OutboxState(recovered)
        var opening = PrimarySlot(
            slot: slot, node: environment.node, epoch: epoch, inSync: [environment.node], minimum: 1,
            lastIndex: recovered.applied.index, appliedIndex: recovered.applied.index)
        let position = opening.open()
        primary = opening
        var entry = Entry(
            slot: slot, epoch: position.epoch, index: position.index, time: environment.clock.now(),
            idMark: minter.mark)
        if let known = recovered.incarnation {
            incarnation = known
        } else {
            incarnation = UInt64.random(in: 1 ... .max)
            entry.operations = [
                .put(family: Family.meta.rawValue, key: MetaRows.incarnation, value: MetaRows.value(incarnation))
            ]
        }
        append(entry, events: [], work: [])
    }

    /// Stops for good: what waits is told to go elsewhere, and what is uncommitted is dropped from memory.
    func retire(_ reason: String) {
        let reply = SlotReply.interrupted(reason)
        primary?.retire()
        overlay.removeAll()
        caches.removeAll()
        uncommitted = []
        let waitingGates = gates
        gates = []
        for gate in waitingGates { gate.pass(reply) }
        let waitingCommands = waiting
        waiting = []
        for command in waitingCommands { command.finish(reply) }
        for request in streamRequests { request() }
        streamRequests = []
    }

    // MARK: Entries

    func makeTransaction() -> CommandTransaction {
        CommandTransaction(
            slot: slot, now: environment.clock.now(), caches: caches, tokenSecret: environment.tokenSecret,
            state: environment.store.state, uncommitted: overlay, minter: minter)
    }

    /// Turns what the command did into the slot's next entry.
    ///
    /// - Throws: ``PrimarySlot/Refusal``, or ``ServiceFault/entryTooLarge(_:)``; the caller drops the caches then.
    func propose(_ transaction: CommandTransaction, request: Entry.Request? = nil) throws {
        let events = transaction.events.map { $0.encoded() }
        let size =
            transaction.operations.reduce(0) { $0 + $1.size } + events.reduce(0) { $0 + $1.readableBytes }
            + transaction.effects.count * 1024
        guard size <= Entry.maximumSize / 2 else { throw ServiceFault.entryTooLarge(size) }
        guard let position = try primary?.propose() else { throw PrimarySlot.Refusal.opening }
        minter = transaction.minter
        var entry = Entry(
            slot: slot, epoch: position.epoch, index: position.index, time: transaction.now, idMark: minter.mark)
        entry.operations = transaction.operations
        entry.events = events
        entry.request = request
        for (effect, destination) in transaction.effects {
            let number = outbox.nextNumber(destination)
            entry.outbox.append(
                Entry.OutboxItem(destination: destination, number: number, effect: effect.encoded()))
        }
        var scheduled: [(key: [UInt8], work: Work)] = []
        for (ordinal, work) in transaction.scheduledWork.enumerated() {
            let key = MetaRows.work(position.index, UInt32(ordinal))
            scheduled.append((key, work))
            entry.operations.append(.put(family: Family.meta.rawValue, key: key, value: work.encoded()))
        }
        pruneRequests(&entry)
        append(entry, events: transaction.events, work: scheduled)
    }

    /// Now and then an entry also forgets the request ids that are too old to come again.
    private func pruneRequests(_ entry: inout Entry) {
        guard entry.request != nil, entry.time - lastPruning >= environment.limits.requestPruning else { return }
        lastPruning = entry.time
        let oldest = entry.time.milliseconds - 2 * RequestID.memory.milliseconds
        guard oldest > 0 else { return }
        let (from, upTo) = MetaRows.requests(before: UInt64(oldest))
        entry.operations.append(.deleteRange(family: Family.meta.rawValue, from: from, upTo: upTo))
    }

    private func append(_ entry: Entry, events: [Event], work: [(key: [UInt8], work: Work)]) {
        let metaOperations = MetaRows.operations(of: entry, roots: events.map(\.root))
        overlay.add(entry.operations, at: entry.index)
        overlay.add(metaOperations, at: entry.index)
        uncommitted.append(
            Uncommitted(entry: entry, metaOperations: metaOperations, events: events, work: work))
        executor.submit(LogWriter.Append(slot: slot, index: entry.index, entry: entry.encoded()))
    }

    // MARK: Gates

    /// Calls `pass` once the entries through `index` are applied; at once when they are. When the slot is retired
    /// before, `pass` gets the reply to give instead.
    func whenApplied(through index: LogIndex, _ pass: @escaping (_ failure: SlotReply?) -> Void) {
        if index <= appliedIndex { return pass(nil) }
        if primary?.isRetired ?? true { return pass(.interrupted("the slot is not served here any more")) }
        // Gates stand in order; one that is asked for late waits for those before it.
        gates.append(Gate(index: max(index, gates.last?.index ?? .zero), pass: pass))
    }

    // MARK: Commit and apply

    /// - Returns: whether something is committed now that was not.
    func durable(through index: LogIndex) -> Bool {
        primary?.acknowledged(by: environment.node, through: index) != nil
    }

    /// Adds all that is committed and not applied to `batch`.
    ///
    /// - Returns: for each root with an event in it, the number of the event before, read while the state is as before.
    func addCommitted(to batch: StateStore.Batch) throws(StorageFailure) -> [RootEntity: EventNumber] {
        guard let commitIndex = primary?.commitIndex else { return [:] }
        var floors: [RootEntity: EventNumber] = [:]
        var last: Entry?
        for item in uncommitted {
            if item.entry.index > commitIndex { break }
            for event in item.events where floors[event.root] == nil {
                floors[event.root] = try lastEvent(event.root)
            }
            try batch.add(item.entry.operations, of: slot)
            try batch.add(item.metaOperations, of: slot)
            last = item.entry
        }
        if let last {
            batch.setApplied(.init(epoch: last.epoch, index: last.index, idMark: last.idMark), of: slot)
        }
        return floors
    }

    /// The batch is written: events and answers go out, in the order of the entries.
    func finishApplying(floors: [RootEntity: EventNumber]) {
        guard let commitIndex = primary?.commitIndex else { return }
        var hasBegun = false
        var destinations: Set<Slot> = []
        overlay.removeAll(through: commitIndex)
        emitting = floors
        defer { emitting = [:] }
        while let item = uncommitted.first, item.entry.index <= commitIndex {
            uncommitted.removeFirst()
            if primary?.applied(through: item.entry.index) ?? false { hasBegun = true }
            for (ordinal, event) in item.events.enumerated() {
                let kept = EventRing.Kept(
                    number: EventNumber(index: item.entry.index, ordinal: UInt32(ordinal)), event: event,
                    encoded: item.entry.events[ordinal])
                ring.append(
                    kept, root: event.root, time: item.entry.time, floor: emitting[event.root] ?? .zero)
                emitting[event.root] = kept.number
                executor.hub.emit(kept, root: event.root, isDurable: true)
            }
            for effect in item.entry.outbox {
                outbox.committed(effect.destination, effect.number)
                destinations.insert(effect.destination)
            }
            work.append(contentsOf: item.work)
            while let gate = gates.first, gate.index <= item.entry.index {
                gates.removeFirst()
                gate.pass(nil)
            }
        }
        if hasBegun { beginServing() }
        retryWaiting()
        for destination in destinations { deliverOutbox(to: destination) }
        performNextWork()
    }

    private func beginServing() {
        logger.debug("the slot serves", metadata: ["epoch": "\(epoch)", "index": "\(appliedIndex)"])
        let requests = streamRequests
        streamRequests = []
        for request in requests { request() }
        for destination in outbox.destinations { deliverOutbox(to: destination) }
        executor.slotServes(self)
    }

    // MARK: Events

    /// The number of the root's last event that has gone out; zero when there was none.
    func lastEvent(_ root: RootEntity) throws(StorageFailure) -> EventNumber {
        if let last = emitting[root] { return last }
        if let last = ring.last(root) { return last }
        return try storedLastEvent(root)
    }

    private func storedLastEvent(_ root: RootEntity) throws(StorageFailure) -> EventNumber {
        let row = try environment.store.state.get(slot, .meta, MetaRows.lastEvent(root))
        guard let row else { return .zero }
        guard let number = MetaRows.eventNumber(row) else {
            throw .corrupt("the last event's number of \(root) cannot be read")
        }
        return number
    }
}

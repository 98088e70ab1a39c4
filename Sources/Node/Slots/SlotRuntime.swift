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
    struct Gate {
        var index: LogIndex
        /// Called once: without a reply when the gate opens, with one when the slot is retired before.
        var pass: (_ failure: SlotReply?) -> Void
    }

    let slot: Slot
    /// Holds this value as long as the slot is primary here.
    unowned let replica: SlotReplica
    unowned let executor: SlotExecutor
    let environment: SlotEnvironment
    var logger: Logger

    private(set) var isRetired = false
    /// What the state holds for the runtime is read: once the epoch's first entry is applied.
    private var hasBegun = false
    private(set) var incarnation: UInt64 = 0
    let overlay = Overlay()
    let caches = SlotCaches()
    private var minter: IDMinter
    private var gates: Deque<Gate> = []
    /// Retries that joined a request that is being served.
    var inFlight = RequestMemory<(SlotReply) -> Void>()
    var waiting: [WaitingCommand] = []
    var nextWaiting: UInt64 = 0
    var heldAnswers: [HeldAnswer] = []
    var nextHeldAnswer: UInt64 = 0
    private var lastPruning = Timestamp(milliseconds: 0)
    var outbox = OutboxState()
    var sessionStarts = SessionStartCounter()
    var work: Deque<(key: [UInt8], work: Work)> = []
    var isWorking = false
    /// Gateways' requests that came before the slot served.
    var streamRequests: [() -> Void] = []
    /// Destinations of effects that are committed by what is being applied.
    private var destinations: Set<Slot> = []
    /// Whether what is being applied may be answered.
    private var mayAnswer = false

    init(_ replica: SlotReplica) {
        slot = replica.slot
        self.replica = replica
        executor = replica.executor
        environment = replica.environment
        logger = environment.logger
        logger[metadataKey: "slot"] = "\(slot)"
        minter = IDMinter(slot: slot)
    }

    var isServing: Bool { hasBegun && !isRetired && replica.core.isServing }
    var epoch: Epoch { replica.core.primaryEpoch }
    var lastIndex: LogIndex { replica.core.log.last.index }
    var appliedIndex: LogIndex { replica.core.appliedIndex }
    var pendingCount: Int { gates.count + waiting.count + heldAnswers.count }
    var isIdle: Bool { gates.isEmpty && replica.core.appliedIndex == replica.core.log.last.index }

    // MARK: Life

    /// Begins an epoch: writes its empty entry at this place. The slot serves once that is applied.
    ///
    /// - Throws: ``StorageFailure`` when what is to be taken over cannot be read.
    func open(at position: LogPosition) throws(StorageFailure) {
        let inherited = try replica.unapplied()
        let mark = inherited.reduce(replica.appliedMark) { max($0, $1.idMark) }
        minter = IDMinter(slot: slot, mark: mark)
        var entry = Entry(
            slot: slot, epoch: position.epoch, index: position.index, time: environment.clock.now(), idMark: mark)
        entry.commitIndex = replica.core.commitIndex
        let stored = try environment.store.state.get(slot, .meta, MetaRows.incarnation).flatMap { MetaRows.number($0) }
        if let known = stored ?? inherited.lazy.compactMap({ MetaRows.incarnation(in: $0) }).last {
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
        isRetired = true
        overlay.removeAll()
        caches.removeAll()
        let waitingGates = gates
        gates = []
        for gate in waitingGates { gate.pass(reply) }
        let waitingCommands = waiting
        waiting = []
        for command in waitingCommands { command.finish(reply) }
        giveAllAnswers()
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
        guard hasBegun, !isRetired else { throw PrimarySlot.Refusal.opening }
        let position = try replica.core.propose()
        minter = transaction.minter
        var entry = Entry(
            slot: slot, epoch: position.epoch, index: position.index, time: transaction.now, idMark: minter.mark)
        entry.commitIndex = replica.core.commitIndex
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
        let encoded = entry.encoded()
        replica.load.writtenBytes &+= UInt64(encoded.readableBytes)
        replica.hold(
            LogPosition(epoch: entry.epoch, index: entry.index), encoded,
            PreparedEntry(entry: entry, metaOperations: metaOperations, events: events, work: work))
        executor.proposed(
            LogWriter.Append(slot: slot, index: entry.index, entry: encoded, generation: replica.generation),
            by: replica)
    }

    // MARK: Gates

    /// Calls `pass` once the entries through `index` are applied; at once when they are. When the slot is retired
    /// before, `pass` gets the reply to give instead.
    func whenApplied(through index: LogIndex, _ pass: @escaping (_ failure: SlotReply?) -> Void) {
        if isRetired { return pass(.interrupted("the slot is not served here any more")) }
        if index <= appliedIndex {
            return pass(replica.core.mayAnswer(now: .now()) ? nil : SlotRuntime.lapsed)
        }
        // Gates stand in order; one that is asked for late waits for those before it.
        gates.append(Gate(index: max(index, gates.last?.index ?? .zero), pass: pass))
    }

    // MARK: Commit and apply

    private static let lapsed = SlotReply.interrupted("the right to serve the slot has lapsed")

    /// All entries through `index` are applied to the state.
    func beginApplying(through index: LogIndex, now: BootTime) {
        overlay.removeAll(through: index)
        mayAnswer = replica.core.mayAnswer(now: now)
    }

    /// The next entry in order is applied, and its events are out.
    func applied(_ item: PreparedEntry) {
        for effect in item.entry.outbox {
            outbox.committed(effect.destination, effect.number)
            destinations.insert(effect.destination)
        }
        work.append(contentsOf: item.work)
        while let gate = gates.first, gate.index <= item.entry.index {
            gates.removeFirst()
            gate.pass(mayAnswer ? nil : SlotRuntime.lapsed)
        }
    }

    /// - Parameter hasBegun: whether the epoch's first entry is among what was applied.
    func finishApplying(hasBegun: Bool) {
        if hasBegun { beginServing() }
        guard isServing else { return }
        retryWaiting()
        let destinations = destinations
        self.destinations = []
        for destination in destinations { deliverOutbox(to: destination) }
        performNextWork()
    }

    private func beginServing() {
        do {
            let rows = try RuntimeRows(of: slot, in: environment.store.state)
            outbox = OutboxState(rows)
            work = Deque(rows.work)
        } catch {
            return executor.takeOut(replica, "\(error)")
        }
        hasBegun = true
        logger.debug("the slot serves", metadata: ["epoch": "\(epoch)", "index": "\(appliedIndex)"])
        let requests = streamRequests
        streamRequests = []
        for request in requests { request() }
        for destination in outbox.destinations { deliverOutbox(to: destination) }
        executor.slotServes(self)
    }
}

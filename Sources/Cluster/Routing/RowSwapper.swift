import Coordination
import Identity
import Logging
import NIOCore
import Placement

/// Compare-and-swaps of rows of the shard map, for all slots of a node: gathered into transactions, tried again while
/// their outcome is not known.
///
/// What is reported is definite. A swap whose answer was lost is sent again as the same compare-and-swap, on the same
/// revision of the key, so it happens at most once; it counts as done when the row that then stands is the wanted one,
/// and as failed only when the coordinator says that the key has changed to another.
public actor RowSwapper {
    public struct Change: Hashable, Sendable {
        public var expected: ShardMapRow
        public var new: ShardMapRow

        public init(expected: ShardMapRow, new: ShardMapRow) {
            self.expected = expected
            self.new = new
        }

        /// Whether somebody cannot be served, or nothing can be committed, until it is done. Other changes are spread
        /// over time: each reaches every process, and many at once would make all of them slow.
        var isUrgent: Bool { new.primary != expected.primary || !expected.inSync.allSatisfy(new.inSync.contains) }
    }

    /// What is certain of a row now.
    public struct Settled: Sendable {
        /// The swap that is done or failed by this; `nil` when the row was only read.
        public var change: Change?
        public var row: ShardMapRow
    }

    /// Transactions under way at once.
    private static let parallel = 3
    /// Between two transactions of changes that are not urgent.
    private static let pause = Duration.milliseconds(200)
    /// Rows that are read one by one; more are read as a list.
    private static let singleReads = 8

    private let coordinator: any Coordinator
    private let view: any ClusterView
    private let logger: Logger
    /// Told which rows stand now, of those that were to be swapped or read.
    private let settled: @Sendable ([Settled]) -> Void
    /// The newest wish for each slot; those under way are not in it.
    private var waiting: [Slot: Change] = [:]
    /// The order of their arrival.
    private var order: [Slot] = []
    private var underWay: Set<Slot> = []
    private var toRead: Set<Slot> = []
    private var isReading = false
    private var running = 0
    /// Changes that are not urgent wait for the next turn.
    private var isPausing = false
    /// As the coordinator last said.
    private var known: [Slot: ShardMapRows.Held] = [:]
    private var isStopped = false

    public init(
        coordinator: any Coordinator, view: any ClusterView, logger: Logger,
        settled: @escaping @Sendable ([Settled]) -> Void
    ) {
        self.coordinator = coordinator
        self.view = view
        self.logger = logger
        self.settled = settled
    }

    /// A change of a slot that waits is replaced by a newer one of the same slot.
    public func swap(_ changes: [Change]) {
        for change in changes {
            let slot = change.new.slot
            if waiting.updateValue(change, forKey: slot) == nil { order.append(slot) }
        }
        startWork()
    }

    /// Reads rows and reports them.
    public func read(_ slots: [Slot]) {
        toRead.formUnion(slots)
        startReading()
    }

    /// Nothing is begun any more.
    public func stop() { isStopped = true }

    // MARK: Reading

    private func startReading() {
        guard !isReading, !toRead.isEmpty, !isStopped else { return }
        isReading = true
        let slots = Array(toRead)
        toRead = []
        Task {
            let rows = await readUntilKnown(slots)
            isReading = false
            report(rows.map { Settled(row: $0) })
            startReading()
        }
    }

    /// Reads the rows as they stand, however long it takes.
    private func readUntilKnown(_ slots: [Slot]) async -> [ShardMapRow] {
        var backoff = Backoff(initial: .milliseconds(20), maximum: .seconds(1))
        while !isStopped {
            do throws(ClusterFailure) {
                try await refresh(slots)
                return slots.compactMap { known[$0]?.row }
            } catch {
                logger.info("rows cannot be read yet", metadata: ["reason": "\(error)"])
            }
            guard await backoff.pause() else { break }
        }
        return []
    }

    private func refresh(_ slots: [Slot]) async throws(ClusterFailure) {
        if slots.count > RowSwapper.singleReads {
            let rows = try await ShardMapRows.list(coordinator).rows
            for slot in slots { known[slot] = rows[slot] }
            return
        }
        for slot in slots {
            let key = CoordinatorKey.slot(slot)
            let entry: CoordinatorEntry?
            do { entry = try await coordinator.get(key) } catch { throw .coordinator(error) }
            guard let entry else {
                known[slot] = nil
                continue
            }
            do {
                known[slot] = ShardMapRows.Held(row: try ShardMapRow(decoding: entry.value), revision: entry.revision)
            } catch { throw .unreadable(key: key, reason: "\(error)") }
        }
    }

    // MARK: Swapping

    private func startWork() {
        while running < RowSwapper.parallel, !isStopped {
            var batch = takeBatch(urgent: true)
            if batch.isEmpty, !isPausing {
                batch = takeBatch(urgent: false)
                if !batch.isEmpty { pause() }
            }
            guard !batch.isEmpty else { return }
            underWay.formUnion(batch.map(\.new.slot))
            running += 1
            Task { [batch] in
                await carryOut(batch)
                running -= 1
                underWay.subtract(batch.map(\.new.slot))
                startWork()
            }
        }
    }

    private func takeBatch(urgent: Bool) -> [Change] {
        var batch: [Change] = []
        var left: [Slot] = []
        for slot in order {
            if batch.count < CoordinatorTransaction.maximumOperations, !underWay.contains(slot),
                let change = waiting[slot], change.isUrgent == urgent
            {
                waiting[slot] = nil
                batch.append(change)
            } else {
                left.append(slot)
            }
        }
        order = left
        return batch
    }

    private func pause() {
        isPausing = true
        Task {
            try? await Task.sleep(for: RowSwapper.pause)
            isPausing = false
            startWork()
        }
    }

    private func carryOut(_ batch: [Change]) async {
        var open = batch
        var backoff = Backoff(initial: .milliseconds(20), maximum: .seconds(1))
        while !isStopped {
            for change in open { look(change.new.slot) }
            let unknown = open.filter { known[$0.new.slot]?.row.epoch ?? .zero < $0.expected.epoch }
            if !unknown.isEmpty { _ = await readUntilKnown(unknown.map(\.new.slot)) }
            open = decided(open)
            guard !open.isEmpty else { return }
            switch await commit(open) {
            case .done: return
            case .conflict: await awaitChange(of: open)
            case .unknown(let reason):
                logger.info(
                    "whether rows are changed is not known; trying again",
                    metadata: ["rows": "\(open.count)", "reason": "\(reason)"])
                guard await backoff.pause() else { return }
            }
        }
    }

    /// Takes over what the watch has told of a row, when it is newer.
    private func look(_ slot: Slot) {
        guard let held = view.held(slot), held.row.epoch > known[slot]?.row.epoch ?? .zero else { return }
        known[slot] = held
    }

    /// At least one of the rows has changed: the watch tells which sooner than a reading of all, as a rule.
    private func awaitChange(of changes: [Change]) async {
        for _ in 0..<10 {
            for change in changes { look(change.new.slot) }
            if changes.contains(where: { known[$0.new.slot]?.row != $0.expected }) { return }
            try? await Task.sleep(for: .milliseconds(5))
        }
        _ = await readUntilKnown(changes.map(\.new.slot))
    }

    /// Reports the changes whose end is known by the rows as they stand.
    ///
    /// - Returns: the others.
    private func decided(_ changes: [Change]) -> [Change] {
        var rows: [Settled] = []
        var open: [Change] = []
        for change in changes {
            guard let held = known[change.new.slot] else { continue }
            if held.row == change.expected {
                open.append(change)
            } else {
                rows.append(Settled(change: change, row: held.row))
            }
        }
        report(rows)
        return open
    }

    private enum Outcome {
        case done
        case conflict
        case unknown(String)
    }

    private func commit(_ changes: [Change]) async -> Outcome {
        let transaction = CoordinatorTransaction(
            conditions: changes.map {
                .revision(CoordinatorKey.slot($0.new.slot), known[$0.new.slot]?.revision ?? 0)
            },
            operations: changes.map { .put(CoordinatorKey.slot($0.new.slot), $0.new.encoded(), lease: nil) })
        do throws(CoordinatorFailure) {
            guard let revision = try await coordinator.commit(transaction) else { return .conflict }
            for change in changes { known[change.new.slot] = .init(row: change.new, revision: revision) }
            report(changes.map { Settled(change: $0, row: $0.new) })
            return .done
        } catch {
            return .unknown("\(error)")
        }
    }

    private func report(_ rows: [Settled]) {
        if !rows.isEmpty { settled(rows) }
    }
}

import Coordination
import Identity
import NIOCore
import Placement
import Routing
import Wire

/// The coordinator as controller and operators' commands use it: values of the cluster's keys, changed by
/// compare-and-swap.
struct ControlStore: Sendable {
    private static let attempts = 16
    /// More rows than these are read all at once, with all others.
    private static let readSingly = 16

    let coordinator: any Coordinator

    /// The value of the key and its revision; revision 0 when there is none.
    func read<Value: FieldCodable>(
        _ key: String, _: Value.Type = Value.self
    ) async throws(ControlFailure) -> (value: Value?, revision: UInt64) {
        let entry = try await entry(key)
        guard let entry else { return (nil, 0) }
        do { return (try Value(decoding: entry.value), entry.revision) } catch {
            throw .conflict("the coordinator's key \(key) cannot be read: \(error)")
        }
    }

    private func entry(_ key: String) async throws(ControlFailure) -> CoordinatorEntry? {
        do { return try await coordinator.get(key) } catch { throw .unavailable("\(error)") }
    }

    /// - Parameter revision: the one that must stand; 0: the key must not exist.
    /// - Returns: whether it was written.
    func write(
        _ key: String, _ value: some FieldCodable, over revision: UInt64
    ) async throws(ControlFailure) -> Bool {
        try await commit(
            [revision == 0 ? .absent(key) : .revision(key, revision)], [.put(key, value.encoded(), lease: nil)])
    }

    func commit(
        _ conditions: [CoordinatorTransaction.Condition], _ operations: [CoordinatorTransaction.Operation]
    ) async throws(ControlFailure) -> Bool {
        do {
            return try await coordinator.commit(
                CoordinatorTransaction(conditions: conditions, operations: operations)) != nil
        } catch { throw .unavailable("\(error)") }
    }

    /// Changes the value of a key, again when somebody else was faster.
    func update<Value: FieldCodable>(
        _ key: String, initial: Value, _ change: (inout Value) throws(ControlFailure) -> Void
    ) async throws(ControlFailure) -> Value {
        for _ in 0..<ControlStore.attempts {
            let (found, revision) = try await read(key, Value.self)
            var value = found ?? initial
            try change(&value)
            if try await write(key, value, over: revision) { return value }
        }
        throw .conflict("the key \(key) is changed by others all the time")
    }

    /// Changes a row; its epoch rises by one.
    ///
    /// - Returns: the row as written.
    func updateRow(
        _ slot: Slot, _ change: (inout ShardMapRow) throws(ControlFailure) -> Void
    ) async throws(ControlFailure) -> ShardMapRow {
        let key = CoordinatorKey.slot(slot)
        for _ in 0..<ControlStore.attempts {
            let (found, revision) = try await read(key, ShardMapRow.self)
            guard var row = found else { throw .unknown("the shard map has no row of slot \(slot)") }
            let before = row
            try change(&row)
            if row == before { return row }
            row.epoch = before.epoch.next
            if try await write(key, row, over: revision) { return row }
        }
        throw .conflict("slot \(slot) changes all the time")
    }

    /// Writes each new row whose expected one still stands.
    ///
    /// - Returns: how many were written.
    func swap(_ changes: [(expected: ShardMapRow, new: ShardMapRow)]) async throws(ControlFailure) -> Int {
        guard !changes.isEmpty else { return 0 }
        let held = try await rows(of: changes.map(\.new.slot))
        let valid = changes.filter { held[$0.new.slot]?.row == $0.expected }
        var written = 0
        for start in stride(from: 0, to: valid.count, by: CoordinatorTransaction.maximumOperations) {
            let batch = valid[start..<min(start + CoordinatorTransaction.maximumOperations, valid.count)]
            let isDone = try await commit(
                batch.map { .revision(CoordinatorKey.slot($0.new.slot), held[$0.new.slot]?.revision ?? 0) },
                batch.map { .put(CoordinatorKey.slot($0.new.slot), $0.new.encoded(), lease: nil) })
            if isDone { written += batch.count }
        }
        return written
    }

    /// The rows of at least these slots, with their revisions: a rebalance changes a few at a time, and then the whole
    /// shard map is not read for each step.
    private func rows(of slots: [Slot]) async throws(ControlFailure) -> [Slot: ShardMapRows.Held] {
        if slots.count > ControlStore.readSingly {
            do { return try await ShardMapRows.list(coordinator).rows } catch { throw .unavailable("\(error)") }
        }
        var rows: [Slot: ShardMapRows.Held] = [:]
        for slot in slots {
            let (row, revision) = try await read(CoordinatorKey.slot(slot), ShardMapRow.self)
            rows[slot] = row.map { ShardMapRows.Held(row: $0, revision: revision) }
        }
        return rows
    }
}

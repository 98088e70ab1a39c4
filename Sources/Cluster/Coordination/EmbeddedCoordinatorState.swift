import NIOCore

/// The embedded coordinator's state machine: a value without disk, network or clock.
///
/// Whatever changes it goes in two steps. A `prepare…` method checks a request and gives the ``CoordinatorRecord`` that
/// carries it out; once the record is on disk, ``apply(_:now:)`` makes it so. ``apply(_:now:)`` has no conditions, so
/// that replaying the records gives the same state again.
///
/// - Revisions count the changes: each transaction that changes something raises the revision by one, and all its
///   changes carry the new revision. The end of a lease deletes its keys in one revision.
/// - Times are readings of one monotonic clock, passed in. They are not kept on disk: after a restart every lease runs
///   for its full duration again, so that the coordinator's absence makes no node lose its place.
/// - The history of changes is bounded; a watch that asks for what is gone gets ``CoordinatorFailure/compacted``.
public struct EmbeddedCoordinatorState: Sendable {
    /// Changes kept for watches, and the bytes of their values.
    public static let historyLimit = 8192
    public static let historyByteLimit = 32 * 1024 * 1024

    struct Value: Hashable, Sendable {
        var bytes: ByteBuffer
        var revision: UInt64
        var lease: UInt64?
    }

    struct Lease: Hashable, Sendable {
        var duration: Duration
        var expiry: Duration
        var keys: Set<String> = []
    }

    private(set) var values: [String: Value] = [:]
    private(set) var leases: [UInt64: Lease] = [:]
    public private(set) var revision: UInt64 = 0
    /// The largest lease id ever granted.
    private(set) var lastLease: UInt64 = 0
    /// Changes up to this revision may be gone from the history.
    public private(set) var compacted: UInt64 = 0
    private var history: [CoordinatorChange] = []
    private var historyBytes = 0

    public init() {}

    /// A state as it was written down (see ``CoordinatorSnapshot``).
    init(_ snapshot: CoordinatorSnapshot, now: Duration) {
        revision = snapshot.revision
        compacted = snapshot.revision
        lastLease = snapshot.lastLease
        for (id, duration) in snapshot.leases { leases[id] = Lease(duration: duration, expiry: now + duration) }
        for entry in snapshot.entries {
            values[entry.key] = Value(bytes: entry.value, revision: entry.revision, lease: entry.lease)
            if let lease = entry.lease { leases[lease]?.keys.insert(entry.key) }
        }
    }

    // MARK: Reading

    public func get(_ key: String) -> CoordinatorEntry? {
        values[key].map { CoordinatorEntry(key: key, value: $0.bytes, revision: $0.revision) }
    }

    public func list(prefix: String) -> CoordinatorListing {
        let entries = values.lazy.filter { $0.key.hasPrefix(prefix) }
            .map { CoordinatorEntry(key: $0.key, value: $0.value.bytes, revision: $0.value.revision) }
            .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        return CoordinatorListing(entries: entries, revision: revision)
    }

    /// The changes after `revision` to keys that begin with `prefix`; empty when there are none yet.
    ///
    /// - Throws: ``CoordinatorFailure/compacted`` when the history begins later, or when `revision` is still to come:
    ///   the caller has seen another history than this one.
    public func changes(prefix: String, after revision: UInt64) throws(CoordinatorFailure) -> [CoordinatorChange] {
        guard revision >= compacted, revision <= self.revision else { throw .compacted }
        // The history is sorted by revision: find where it goes on.
        var low = 0
        var high = history.count
        while low < high {
            let middle = (low + high) / 2
            if history[middle].revision <= revision { low = middle + 1 } else { high = middle }
        }
        return history[low...].filter { $0.key.hasPrefix(prefix) }
    }

    // MARK: Preparing changes

    public enum Prepared: Hashable, Sendable {
        /// A condition did not hold.
        case refused
        /// Nothing changes: every operation deletes what is not there.
        case unchanged
        case record(CoordinatorRecord)
    }

    public func prepare(_ transaction: CoordinatorTransaction, now: Duration) throws(CoordinatorFailure) -> Prepared {
        try transaction.validate()
        for condition in transaction.conditions {
            switch condition {
            case .absent(let key): guard values[key] == nil else { return .refused }
            // As in etcd, an absent key has revision 0.
            case .revision(let key, let revision): guard values[key]?.revision ?? 0 == revision else { return .refused }
            }
        }
        var changes: [CoordinatorRecord.Change] = []
        var added = 0
        for operation in transaction.operations {
            switch operation {
            case .put(let key, let value, let lease):
                if let lease {
                    guard let held = leases[lease.id], held.expiry > now else { throw .leaseExpired }
                }
                if values[key] == nil { added += 1 }
                changes.append(.init(key: key, value: value, lease: lease?.id))
            case .delete(let key):
                if values[key] != nil { changes.append(.init(key: key, value: nil, lease: nil)) }
            }
        }
        guard added == 0 || values.count + added <= CoordinatorLimits.maximumEntries else {
            throw .invalid("the coordinator holds no more than \(CoordinatorLimits.maximumEntries) keys")
        }
        return changes.isEmpty ? .unchanged : .record(.commit(revision: revision + 1, changes))
    }

    public func prepareGrant(_ duration: Duration) throws(CoordinatorFailure) -> CoordinatorRecord {
        guard (CoordinatorLimits.shortestLease...CoordinatorLimits.longestLease).contains(duration) else {
            throw .invalid(
                "a lease lasts \(CoordinatorLimits.shortestLease) to \(CoordinatorLimits.longestLease)")
        }
        guard leases.count < CoordinatorLimits.maximumLeases else {
            throw .invalid("the coordinator grants no more than \(CoordinatorLimits.maximumLeases) leases at once")
        }
        return .grant(lease: lastLease + 1, duration)
    }

    /// - Returns: `nil` when there is no such lease: it has ended already.
    public func prepareRevoke(_ lease: UInt64) -> CoordinatorRecord? {
        leases[lease] == nil ? nil : .end(lease: lease, revision: revisionAfterEnd(of: lease))
    }

    /// The record that ends one of the leases whose time has passed; asked for again until there is none.
    public func prepareExpiry(now: Duration) -> CoordinatorRecord? {
        let due = leases.filter { $0.value.expiry <= now }.min { ($0.value.expiry, $0.key) < ($1.value.expiry, $1.key) }
        return due.map { .end(lease: $0.key, revision: revisionAfterEnd(of: $0.key)) }
    }

    private func revisionAfterEnd(of lease: UInt64) -> UInt64 {
        leases[lease]?.keys.isEmpty ?? true ? revision : revision + 1
    }

    // MARK: Changing

    public mutating func keepAlive(_ lease: UInt64, now: Duration) throws(CoordinatorFailure) {
        guard let held = leases[lease], held.expiry > now else { throw .leaseExpired }
        leases[lease]?.expiry = now + held.duration
    }

    /// Lets every lease run for its full duration again: after the coordinator itself was away.
    public mutating func extendLeases(now: Duration) {
        for (id, lease) in leases { leases[id]?.expiry = max(lease.expiry, now + lease.duration) }
    }

    /// When the next lease ends, unless it is kept alive.
    public var nextExpiry: Duration? { leases.values.lazy.map(\.expiry).min() }

    /// Carries out a record that a `prepare…` method of this very state gave, or that was read back from disk.
    ///
    /// - Throws: ``CoordinatorFailure/invalid(_:)`` for a record that does not follow the state: the disk's content is
    ///   not what was written.
    public mutating func apply(_ record: CoordinatorRecord, now: Duration) throws(CoordinatorFailure) {
        switch record {
        case .commit(let revision, let changes):
            guard revision == self.revision + 1 else {
                throw .invalid("a record of revision \(revision) follows revision \(self.revision)")
            }
            self.revision = revision
            for change in changes { make(change) }
        case .grant(let lease, let duration):
            guard lease == lastLease + 1 else { throw .invalid("a record grants lease \(lease) after \(lastLease)") }
            lastLease = lease
            leases[lease] = Lease(duration: duration, expiry: now + duration)
        case .end(let lease, let revision):
            guard leases[lease] != nil, revision == revisionAfterEnd(of: lease) else {
                throw .invalid("a record ends lease \(lease) at revision \(revision), after revision \(self.revision)")
            }
            self.revision = revision
            let keys = leases[lease]?.keys ?? []
            for key in keys.sorted() { make(.init(key: key, value: nil, lease: nil)) }
            leases[lease] = nil
        }
        trimHistory()
    }

    private mutating func make(_ change: CoordinatorRecord.Change) {
        if let lease = values[change.key]?.lease { leases[lease]?.keys.remove(change.key) }
        if let value = change.value {
            values[change.key] = Value(bytes: value, revision: revision, lease: change.lease)
            if let lease = change.lease { leases[lease]?.keys.insert(change.key) }
        } else {
            values[change.key] = nil
        }
        history.append(CoordinatorChange(key: change.key, value: change.value, revision: revision))
        historyBytes += change.value?.readableBytes ?? 0
    }

    /// Cuts off a quarter of the history (of large values: a half) when it is over its limits, between two revisions.
    private mutating func trimHistory() {
        let isTooLarge = historyBytes > EmbeddedCoordinatorState.historyByteLimit
        guard isTooLarge || history.count > EmbeddedCoordinatorState.historyLimit else { return }
        compacted = history[history.count / (isTooLarge ? 2 : 4)].revision
        history.removeAll { $0.revision <= compacted }
        historyBytes = history.reduce(0) { $0 + ($1.value?.readableBytes ?? 0) }
    }

    var snapshot: CoordinatorSnapshot {
        CoordinatorSnapshot(
            revision: revision, lastLease: lastLease,
            leases: leases.map { ($0.key, $0.value.duration) }.sorted { $0.0 < $1.0 },
            entries: values.map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 }
                .map { .init(key: $0.0, value: $0.1.bytes, revision: $0.1.revision, lease: $0.1.lease) })
    }
}

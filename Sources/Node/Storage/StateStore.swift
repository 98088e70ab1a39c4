import CRocksDB
import Domain
import Foundation
import Identity
import NIOCore
import Replication
import Synchronization

/// The `state` instance: what the committed entries of this node's slots have made (DESIGN §7).
///
/// It has no WAL. Families are flushed together, and a slot's applied index lies in the same batch as what it applied,
/// so that after a crash the state is that of some earlier applied index, from which the log is replayed.
public final class StateStore: Sendable {
    /// The row of ``Applied`` in ``Family/meta``; rows of the runtime begin with other bytes.
    static let appliedKey: [UInt8] = [0]
    private static let appliedFormat: UInt8 = 1

    /// How far a slot's log has been applied.
    public struct Applied: Hashable, Sendable {
        public var epoch: Epoch
        public var index: LogIndex
        /// The largest id that the slot had minted by then.
        public var idMark: Snowflake

        public init(epoch: Epoch, index: LogIndex, idMark: Snowflake) {
            self.epoch = epoch
            self.index = index
            self.idMark = idMark
        }

        public static let nothing = Applied(epoch: .zero, index: .zero, idMark: Snowflake(rawValue: 0))
    }

    let database: RocksDB
    private let familyOptions: RocksDBOptions
    let pace = CompactionPace()
    private let damage: DamageNote
    private let checkpointFolder: String
    /// Parts of snapshots on their way to other nodes, and from them.
    let outgoingFolder: String
    let incomingFolder: String
    let exports = Atomic<Int>(0)
    let isIngesting = Atomic<Bool>(false)
    let unflushed = UnflushedSnapshots()
    /// Held for the time of a flush: two may be asked for at once, and there is one folder. Never on an event loop.
    private let flushing = Mutex(())

    /// - Throws: ``StorageFailure``.
    public init(path: String, limits: StoreLimits = StoreLimits()) throws(StorageFailure) {
        guard let cache = rocksdb_cache_create_lru(limits.blockCache) else {
            throw .rocksDB("no block cache of \(limits.blockCache) bytes")
        }
        // The families' options keep the cache alive.
        defer { rocksdb_cache_destroy(cache) }
        checkpointFolder = path + ".flush"
        outgoingFolder = path + ".outgoing"
        incomingFolder = path + ".incoming"
        let family = RocksDBOptions.stateFamily(limits: limits, cache: cache, pace: pace)
        familyOptions = family
        damage = DamageNote(besides: path)
        let names = StateStore.familyNames
        database = try RocksDB(
            path: path, options: RocksDBOptions.state(limits: limits, isServing: true), families: names,
            familyOptions: names.map { _ in family })
        // The instance is locked by now: what lies there was left by a process that is gone.
        for folder in [checkpointFolder, outgoingFolder, incomingFolder] {
            try? FileManager.default.removeItem(atPath: folder)
        }
    }

    /// Lets compactions rest, or not, by how many files wait for them.
    func paceCompactions() { pace.judge(level0Files: database.level0Files) }

    /// In the order of the families' numbers in ``Family``.
    static let familyNames = ["default"] + Family.allCases.map(\.columnFamily)

    /// Runs what writes to RocksDB. What it says of a broken block is remembered for the next start.
    func remembering(_ body: () throws(StorageFailure) -> Void) throws(StorageFailure) {
        do {
            try body()
        } catch {
            damage.remember(error)
            throw error
        }
    }

    /// How files of a family are written.
    func options(_ family: Family) -> RocksDBOptions { familyOptions }

    func handle(_ family: Family) -> OpaquePointer { database.families[Int(family.rawValue)] }

    public func get(_ slot: Slot, _ family: Family, _ key: [UInt8]) throws(StorageFailure) -> ByteBuffer? {
        try database.get(handle(family), slot, key, options: database.readOptions)
    }

    /// Calls `body` with the rows in [`from`, `upTo`) in key order, or in reverse, until it returns `false`.
    public func scan(
        _ slot: Slot, _ family: Family, from: [UInt8], upTo: [UInt8], reverse: Bool = false,
        _ body: (_ key: [UInt8], _ value: ByteBuffer) throws -> Bool
    ) throws {
        try database.scan(
            handle(family), slot: slot, from: from, upTo: upTo, reverse: reverse, snapshot: nil, body)
    }

    /// The rows of one slot as they are now, readable on any thread.
    public func snapshot(_ slot: Slot) -> StateSnapshot { StateSnapshot(slot: slot, database: database) }

    /// How far the slot's log is applied in memory and on disk together.
    public func applied(_ slot: Slot) throws(StorageFailure) -> Applied {
        try applied(slot, options: database.readOptions)
    }

    /// How far the slot's log is applied on disk: what a crash leaves. Only below it may the log be trimmed.
    public func persistedApplied(_ slot: Slot) throws(StorageFailure) -> Applied {
        try applied(slot, options: database.persistedReadOptions)
    }

    private func applied(_ slot: Slot, options: OpaquePointer) throws(StorageFailure) -> Applied {
        let row = try database.get(handle(.meta), slot, StateStore.appliedKey, options: options)
        return try StateStore.applied(slot, row: row)
    }

    /// What ``Batch/setApplied(_:of:)`` wrote.
    static func applied(_ slot: Slot, row: ByteBuffer?) throws(StorageFailure) -> Applied {
        guard var row else { return .nothing }
        guard row.readInteger(as: UInt8.self) == StateStore.appliedFormat,
            let epoch: UInt64 = row.readInteger(), let index: UInt64 = row.readInteger(),
            let mark: UInt64 = row.readInteger()
        else {
            throw .corruptReplica(slot: slot, index: nil, reason: "its applied index cannot be read")
        }
        return Applied(
            epoch: Epoch(rawValue: epoch), index: LogIndex(rawValue: index), idMark: Snowflake(rawValue: mark))
    }

    /// Changes of any number of slots, each with how far it is then applied, written as one unit.
    public struct Batch {
        fileprivate let batch = WriteBatch()
        private let store: StateStore

        fileprivate init(_ store: StateStore) { self.store = store }

        /// - Throws: ``StorageFailure/corrupt(_:)`` for a family that this version does not know.
        public func add(_ operations: [Entry.Operation], of slot: Slot) throws(StorageFailure) {
            for operation in operations {
                switch operation {
                case .put(let family, let key, let value):
                    batch.put(try store.family(family), RowKey(slot, key), value)
                case .delete(let family, let key):
                    batch.delete(try store.family(family), RowKey(slot, key))
                case .deleteRange(let family, let from, let upTo):
                    batch.deleteRange(try store.family(family), from: RowKey(slot, from), upTo: RowKey(slot, upTo))
                }
            }
        }

        public func setApplied(_ applied: Applied, of slot: Slot) {
            var value = ByteBuffer()
            value.writeInteger(StateStore.appliedFormat)
            value.writeInteger(applied.epoch.rawValue)
            value.writeInteger(applied.index.rawValue)
            value.writeInteger(applied.idMark.rawValue)
            batch.put(store.handle(.meta), RowKey(slot, StateStore.appliedKey), value)
        }

        func put(_ family: Family, _ slot: Slot, _ key: [UInt8], _ value: ByteBuffer) {
            batch.put(store.handle(family), RowKey(slot, key), value)
        }

        /// Deletes all rows of the slot in a family.
        func clear(_ family: Family, _ slot: Slot) {
            batch.deleteRange(store.handle(family), from: .start(of: slot), upTo: .end(of: slot))
        }
    }

    public func makeBatch() -> Batch { Batch(self) }

    public func write(_ batch: Batch) throws(StorageFailure) {
        try remembering { () throws(StorageFailure) in try database.write(batch.batch) }
    }

    private func family(_ number: UInt8) throws(StorageFailure) -> OpaquePointer {
        guard let family = Family(rawValue: number) else { throw .corrupt("an entry names the family \(number)") }
        return handle(family)
    }

    /// Brings all that is applied to disk, in one atomic step. Blocks for the time of the writes.
    public func flush() throws(StorageFailure) {
        try flushing.withLock { _ throws(StorageFailure) in
            try remembering { () throws(StorageFailure) in try database.flushAll(checkpoint: checkpointFolder) }
            do {
                try FileManager.default.removeItem(atPath: checkpointFolder)
            } catch {
                throw .file(path: checkpointFolder, reason: "\(error)")
            }
        }
    }

    func close() { database.close() }
}

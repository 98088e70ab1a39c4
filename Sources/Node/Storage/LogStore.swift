import CRocksDB
import Identity
import NIOCore
import Replication

/// The `log` instance: the entries of this node's slots, each batch synced before it counts (DESIGN §7).
///
/// Keys are slot and index, so that a slot's log is one range in order. Written by ``LogWriter`` only.
public final class LogStore: Sendable {
    private let database: RocksDB

    /// - Throws: ``StorageFailure``.
    public init(path: String, limits: StoreLimits = StoreLimits()) throws(StorageFailure) {
        let options = RocksDBOptions.log(limits: limits)
        database = try RocksDB(path: path, options: options, families: ["default"], familyOptions: [options])
    }

    private static func key(_ slot: Slot, _ index: LogIndex) -> RowKey { RowKey(slot, rowKey(index)) }

    private static func rowKey(_ index: LogIndex) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: index.rawValue >> UInt64(56 - 8 * $0)) }
    }

    /// Entries and trims that reach the disk together.
    public struct Batch {
        fileprivate let batch = WriteBatch()
        private let family: OpaquePointer

        fileprivate init(family: OpaquePointer) { self.family = family }

        public func append(_ slot: Slot, _ index: LogIndex, _ entry: ByteBuffer) {
            batch.put(family, LogStore.key(slot, index), entry)
        }

        /// Forgets all entries of the slot through `index`.
        public func trim(_ slot: Slot, through index: LogIndex) {
            batch.deleteRange(family, from: LogStore.key(slot, .zero), upTo: LogStore.key(slot, index.next))
        }
    }

    public func makeBatch() -> Batch { Batch(family: database.families[0]) }

    /// Writes and syncs; blocks for the time of the fsync.
    public func write(_ batch: Batch) throws(StorageFailure) { try database.write(batch.batch) }

    /// Calls `body` with the slot's entries from `first` on, in order, until it returns `false`.
    ///
    /// - Throws: ``StorageFailure/corrupt(_:)`` for an entry that is not what was written, or what `body` throws.
    public func entries(_ slot: Slot, from first: LogIndex, _ body: (Entry) throws -> Bool) throws {
        try database.scan(
            database.families[0], slot: slot, from: LogStore.rowKey(first), upTo: nil, reverse: false, snapshot: nil
        ) { key, value in try body(try LogStore.decode(slot, key, value)) }
    }

    /// The slot's last entry; `nil` when its log is empty.
    public func last(_ slot: Slot) throws -> Entry? {
        var last: Entry?
        try database.scan(
            database.families[0], slot: slot, from: [], upTo: nil, reverse: true, snapshot: nil
        ) { key, value in
            last = try LogStore.decode(slot, key, value)
            return false
        }
        return last
    }

    private static func decode(_ slot: Slot, _ key: [UInt8], _ value: ByteBuffer) throws(StorageFailure) -> Entry {
        let index = LogIndex(rawValue: key.reduce(0) { $0 << 8 | UInt64($1) })
        let entry: Entry
        do {
            entry = try Entry(decoding: value)
        } catch {
            throw .corrupt("entry \(index) of slot \(slot): \(error)")
        }
        guard key.count == 8, entry.slot == slot, entry.index == index else {
            throw .corrupt("entry \(index) of slot \(slot) says that it is entry \(entry.index) of \(entry.slot)")
        }
        return entry
    }

    func close() { database.close() }
}

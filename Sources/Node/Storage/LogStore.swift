import CRocksDB
import Identity
import NIOCore
import Replication

/// The `log` instance: the entries of this node's slots, each batch synced before it counts (DESIGN §7).
///
/// Keys are slot and index, so that a slot's log is one range in order. Written by ``LogWriter`` only. Small rows that
/// must be synced as well lie beside the entries; see ``LogNote``.
public final class LogStore: Sendable {
    let database: RocksDB
    private let pace = CompactionPace()
    private let damage: DamageNote
    var family: OpaquePointer { database.families[0] }

    /// - Throws: ``StorageFailure``.
    public init(path: String, limits: StoreLimits = StoreLimits()) throws(StorageFailure) {
        damage = DamageNote(besides: path)
        let options = RocksDBOptions.log(limits: limits, pace: pace)
        database = try RocksDB(path: path, options: options, families: ["default"], familyOptions: [options])
    }

    static func key(_ slot: Slot, _ index: LogIndex) -> RowKey { RowKey(slot, rowKey(index)) }

    static func rowKey(_ index: LogIndex) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: index.rawValue >> UInt64(56 - 8 * $0)) }
    }

    /// Changes that reach the disk together. One that comes later in a batch wins: the entries that are appended after a
    /// truncation of the same batch stay.
    public struct Batch {
        fileprivate let batch = WriteBatch()
        private let family: OpaquePointer

        fileprivate init(family: OpaquePointer) { self.family = family }

        public func add(_ change: LogChange) {
            switch change {
            case .append(let append): batch.put(family, LogStore.key(append.slot, append.index), append.entry)
            case .trim(let slot, let index):
                batch.deleteRange(family, from: LogStore.key(slot, .zero), upTo: LogStore.key(slot, index.next))
            case .truncate(let slot, let index, _):
                batch.deleteRange(family, from: LogStore.key(slot, index), upTo: .end(of: slot))
            case .clear(let slot, _):
                batch.deleteRange(family, from: LogStore.key(slot, .zero), upTo: .end(of: slot))
                // A disk that lost the slot's data may not stand as its member.
                batch.delete(family, LogNote.epoch.key(slot))
                batch.delete(family, LogNote.row.key(slot))
                batch.delete(family, LogNote.snapshot.key(slot))
            case .know(let slot, let epoch): batch.put(family, LogNote.epoch.key(slot), LogNote.value(epoch.rawValue))
            case .keepRow(let slot, _, let row): batch.put(family, LogNote.row.key(slot), LogNote.value(row))
            case .mark(let slot, let marker?):
                batch.put(family, LogNote.marker.key(slot), LogNote.value(UInt64(marker.rawValue)))
            case .mark(let slot, nil): batch.delete(family, LogNote.marker.key(slot))
            case .keepSnapshot(let slot, let snapshot):
                batch.put(family, LogNote.snapshot.key(slot), LogNote.value(snapshot))
            case .forgetSnapshot(let slot): batch.delete(family, LogNote.snapshot.key(slot))
            }
        }
    }

    public func makeBatch() -> Batch { Batch(family: family) }

    /// Writes and syncs; blocks for the time of the fsync.
    public func write(_ batch: Batch) throws(StorageFailure) {
        do {
            try database.write(batch.batch)
        } catch {
            damage.remember(error)
            throw error
        }
    }

    /// About how many bytes the logs of these slots take in files; what is still in memory does not count.
    ///
    /// - Throws: ``StorageFailure``.
    public func sizes(_ slots: [Slot]) throws(StorageFailure) -> [Slot: Int] {
        try database.approximateSizes(family, slots)
    }

    /// Lets compactions rest, or not, by how many files wait for them.
    func paceCompactions() { pace.judge(level0Files: database.level0Files) }

    func close() { database.close() }
}

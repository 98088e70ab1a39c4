import CRocksDB
import Foundation
import Identity
import NIOCore
import Replication

/// Takes a broken block out of the `log` instance, as ``StateRepair`` does for the state.
///
/// The instance is copied, slot by slot, to a new one that takes its place. Slots whose entries cannot be read are marked
/// ``SlotMarker/corrupt`` there and have no entries; the old instance stays beside it as `log.broken`. Until the new one
/// is in place, the old one counts, and the copying may begin again.
struct LogRepair {
    /// How many bytes are copied with one sync.
    private static let batchBytes = 4 << 20

    private let path: String
    private let limits: StoreLimits
    private let note: DamageNote

    init(path: String, limits: StoreLimits) {
        self.path = path
        self.limits = limits
        note = DamageNote(besides: path)
    }

    /// Before the instance is opened.
    ///
    /// - Returns: the slots that are corrupt.
    func run() throws -> [Slot] {
        guard note.reason != nil else { return [] }
        let fresh = path + ".new"
        let broken = path + ".broken"
        var corrupt: [Slot] = []
        // Without the old one, the new one was complete, and the process ended between the two renames.
        if FileManager.default.fileExists(atPath: path) {
            try? FileManager.default.removeItem(atPath: fresh)
            corrupt = try copy(to: fresh)
            try? FileManager.default.removeItem(atPath: broken)
            guard rename(path, broken) == 0 else { throw StorageFailure.last(path) }
        }
        guard rename(fresh, path) == 0 else { throw StorageFailure.last(fresh) }
        try DamageNote.syncFolder(of: path)
        note.remove()
        return corrupt
    }

    private func copy(to fresh: String) throws -> [Slot] {
        let options = RocksDBOptions.log(limits: limits, pace: nil)
        let old = try RocksDB(path: path, options: options, families: ["default"], familyOptions: [options])
        defer { old.close() }
        let new = try RocksDB(path: fresh, options: options, families: ["default"], familyOptions: [options])
        defer { new.close() }
        try copy(from: [0xff, 0xff], upTo: [0xff, 0xff, 0xff], old, new)
        var corrupt: [Slot] = []
        for slot in Slot.all {
            let (start, end) = (RowKey.start(of: slot), RowKey.end(of: slot))
            do {
                try StorageFailure.locating(slot) { try copy(from: start.bytes, upTo: end.bytes, old, new) }
            } catch StorageFailure.corruptReplica {
                corrupt.append(slot)
                let batch = WriteBatch()
                batch.deleteRange(new.families[0], from: start, upTo: end)
                batch.put(
                    new.families[0], LogNote.marker.key(slot), LogNote.value(UInt64(SlotMarker.corrupt.rawValue)))
                try new.write(batch)
            }
        }
        return corrupt
    }

    private func copy(from: [UInt8], upTo: [UInt8], _ old: RocksDB, _ new: RocksDB) throws {
        var batch = WriteBatch()
        var bytes = 0
        try old.scan(old.families[0], from: from, upTo: upTo, passing: true) { key, value in
            batch.put(new.families[0], RowKey(bytes: Array(key)), ByteBuffer(bytes: value))
            bytes += key.count + value.count
            if bytes >= LogRepair.batchBytes {
                try new.write(batch)
                batch = WriteBatch()
                bytes = 0
            }
            return true
        }
        if bytes > 0 { try new.write(batch) }
    }
}

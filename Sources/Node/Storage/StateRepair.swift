import CRocksDB
import Domain
import Foundation
import Identity
import Replication

/// Takes a broken block out of the `state` instance, so that it costs the slots that it lies in and no others.
///
/// When a compaction meets a block whose checksum is wrong, RocksDB takes no more writes, and would meet it again after
/// each start. So the failed write leaves a note, the process ends, and before the store is opened next, the family that
/// holds the file is made anew: each slot's rows are read and written to files of their own; slots whose rows cannot be
/// read are marked ``SlotMarker/corrupt``; the family is dropped and made again from the files. The broken file is put
/// aside. It takes time and space for a copy of the family, and may be interrupted and begun again at any point: until
/// `READY` is there the old family counts, after that the files do.
struct StateRepair {
    /// What was done.
    struct Outcome: Hashable, Sendable {
        var family: Family
        /// Slots whose rows could not be read; those of this family are gone here.
        var corrupt: [Slot]
    }

    private let path: String
    private let limits: StoreLimits
    private let note: DamageNote

    /// - Parameter path: of the `state` instance.
    init(path: String, limits: StoreLimits) {
        self.path = path
        self.limits = limits
        note = DamageNote(besides: path)
    }

    private var folder: String { note.folder }
    private var ready: String { folder + "/READY" }

    /// Before the instance is opened: reads what can be read, and drops the family.
    ///
    /// - Returns: what is to be finished by ``finish(_:_:)``; `nil` when nothing is broken.
    func begin(_ log: LogStore) throws -> Outcome? {
        let isReady = FileManager.default.fileExists(atPath: ready)
        guard isReady || note.reason != nil else { return nil }
        guard let cache = rocksdb_cache_create_lru(limits.blockCache) else {
            throw StorageFailure.rocksDB("no block cache of \(limits.blockCache) bytes")
        }
        defer { rocksdb_cache_destroy(cache) }
        let options = RocksDBOptions.stateFamily(limits: limits, cache: cache, pace: nil)
        let names = StateStore.familyNames
        let database = try RocksDB(
            path: path, options: .state(limits: limits, isServing: false), families: names,
            familyOptions: names.map { _ in options })
        defer { database.close() }
        guard let outcome = isReady ? try readReady() : try copy(database, options) else {
            note.remove()
            return nil
        }
        let batch = log.makeBatch()
        for slot in outcome.corrupt { batch.add(.mark(slot, .corrupt)) }
        try log.write(batch)
        try RocksDB.checked {
            rocksdb_drop_column_family(database.handle, database.families[Int(outcome.family.rawValue)], $0)
        }
        return outcome
    }

    /// After the instance is opened, with the family empty: takes the files in.
    func finish(_ outcome: Outcome, _ state: StateStore) throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".sst") }
        if !files.isEmpty {
            // Copied, so that it can be done again.
            try state.database.ingest(
                files.map { folder + "/" + $0 }, state.handle(outcome.family), moving: false)
        }
        guard unlink(ready) == 0 else { throw StorageFailure.last(ready) }
        try DamageNote.syncFolder(of: ready)
        note.remove()
    }

    /// Writes all rows of the family of the broken file to files; `nil` when there is no such file any more.
    private func copy(_ database: RocksDB, _ options: RocksDBOptions) throws -> Outcome? {
        let reason = note.reason ?? ""
        guard let file = reason.split(whereSeparator: { " /".contains($0) }).last(where: { $0.hasSuffix(".sst") }),
            let family = database.family(ofFile: String(file)).flatMap({ Family(columnFamily: $0) })
        else { return nil }
        for old in try FileManager.default.contentsOfDirectory(atPath: folder) where old.hasSuffix(".sst") {
            try FileManager.default.removeItem(atPath: folder + "/" + old)
        }
        var outcome = Outcome(family: family, corrupt: [])
        for slot in Slot.all {
            let copy = folder + "/\(slot).sst"
            do {
                try self.copy(slot, database, database.families[Int(family.rawValue)], options, to: copy)
            } catch StorageFailure.corruptReplica {
                outcome.corrupt.append(slot)
                try? FileManager.default.removeItem(atPath: copy)
            }
        }
        try putAside(String(file))
        let slots = outcome.corrupt.map(\.description).joined(separator: ",")
        try DamageNote.write("\(family.columnFamily)\n\(slots)\n", to: ready)
        return outcome
    }

    private func copy(
        _ slot: Slot, _ database: RocksDB, _ family: OpaquePointer, _ options: RocksDBOptions, to path: String
    ) throws {
        var file: SSTFile?
        try StorageFailure.locating(slot) {
            try database.scan(
                family, from: RowKey.start(of: slot).bytes, upTo: RowKey.end(of: slot).bytes, passing: true
            ) { key, value in
                let open = try file ?? SSTFile(path: path, options: options)
                file = open
                try open.put(key, value)
                return true
            }
        }
        try file?.finish()
    }

    /// Keeps the broken file: what is whole in it may be all that is left of its slots.
    private func putAside(_ file: String) throws {
        let broken = path + ".broken"
        try FileManager.default.createDirectory(atPath: broken, withIntermediateDirectories: true)
        guard link("\(path)/\(file)", "\(broken)/\(file)") == 0 || errno == EEXIST else {
            throw StorageFailure.last("\(broken)/\(file)")
        }
    }

    private func readReady() throws -> Outcome {
        let text = String(decoding: FileManager.default.contents(atPath: ready) ?? Data(), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 3, let family = Family(columnFamily: String(lines[0])) else {
            throw StorageFailure.file(path: ready, reason: "cannot be read")
        }
        return Outcome(
            family: family, corrupt: lines[1].split(separator: ",").compactMap { UInt16($0).flatMap(Slot.init) })
    }
}

extension RocksDB {
    /// The name of the family that a table file belongs to; `nil` when it is no live file.
    func family(ofFile name: String) -> String? {
        guard let files = rocksdb_livefiles(handle) else { return nil }
        defer { rocksdb_livefiles_destroy(files) }
        for index in 0..<rocksdb_livefiles_count(files) {
            // Names begin with a slash.
            guard let found = rocksdb_livefiles_name(files, index), String(cString: found).hasSuffix("/" + name),
                let family = rocksdb_livefiles_column_family_name(files, index)
            else { continue }
            return String(cString: family)
        }
        return nil
    }
}

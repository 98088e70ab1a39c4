import CRocksDB
import Domain
import Foundation
import Identity
import NIOCore
import Replication
import Synchronization

/// All rows of one slot at one applied index, on their way to another node (DESIGN §6.9).
///
/// The rows come from one RocksDB snapshot: those of a small slot in one part (``SnapshotRows``), others family after
/// family, as SST files of bounded size that are made one at a time, when the next is asked for: so a slot of any size
/// takes the disk space of one part, and the caller sets the pace. Families go by name, since their numbers differ from
/// store to store. The applied index is no row of a part; it
/// is in the ``Head``, and is written by who installs the snapshot, last.
///
/// Calls block; make them off the event loops. While the value lives, RocksDB keeps what the slot's rows were.
public final class SlotSnapshot: Sendable {
    private struct Cursor {
        var families = Family.allCases[...]
        /// Where the next part begins in the first of the families.
        var from: [UInt8] = []
        var parts = 0
        var rows: ByteBuffer?
        var file: PartFile?
        var isClosed = false
    }

    public let head: Head
    private let snapshot: StateSnapshot
    private let store: StateStore
    private let partBytes: Int
    private let rowsBytes: Int
    private let folder: String
    /// Held while a part is made or read: by one stream at a time, off the event loops.
    private let cursor = Mutex(Cursor())

    init(of slot: Slot, store: StateStore, partBytes: Int, rowsBytes: Int, folder: String) throws {
        self.store = store
        self.partBytes = partBytes
        self.rowsBytes = rowsBytes
        self.folder = folder
        snapshot = store.snapshot(slot)
        head = Head(slot: slot, applied: try snapshot.applied())
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw StorageFailure.snapshotFailed(slot: slot, reason: "\(folder): \(error)")
        }
    }

    deinit { close() }

    /// Makes the next part, and lets go of the one before it; `nil` when there is no more.
    ///
    /// - Throws: ``StorageFailure``.
    public func nextPart() throws -> Part? {
        try cursor.withLock { cursor in
            precondition(!cursor.isClosed, "a closed snapshot is not read")
            cursor.file = nil
            if cursor.parts == 0, cursor.rows == nil, let rows = try SnapshotRows(of: snapshot, limit: rowsBytes) {
                cursor.families = []
                cursor.rows = rows.bytes
                guard rows.count > 0 else { return nil }
                cursor.parts = 1
                return Part(
                    number: 0, family: "", size: rows.bytes.readableBytes, checksum: rows.bytes.checksum,
                    rows: rows.count)
            }
            while let family = cursor.families.first {
                let path = "\(folder)/\(cursor.parts).sst"
                let (rows, next) = try write(family, from: cursor.from, to: path)
                if let next {
                    cursor.from = next
                } else {
                    cursor.families.removeFirst()
                    cursor.from = []
                }
                guard rows > 0 else { continue }
                let file = try PartFile(reading: path)
                cursor.file = file
                defer { cursor.parts += 1 }
                return Part(
                    number: cursor.parts, family: family.columnFamily, size: file.size,
                    checksum: try file.checksum(), rows: rows)
            }
            return nil
        }
    }

    /// Bytes of the part that ``nextPart()`` gave last; none at its end.
    ///
    /// - Throws: ``StorageFailure``.
    public func read(from offset: Int, maximumBytes: Int) throws -> ByteBuffer {
        try cursor.withLock { cursor in
            if let rows = cursor.rows {
                let start = min(offset, rows.readableBytes)
                let count = min(maximumBytes, rows.readableBytes - start)
                return rows.getSlice(at: rows.readerIndex + start, length: count) ?? ByteBuffer()
            }
            guard let file = cursor.file else { return ByteBuffer() }
            return try file.read(from: offset, maximumBytes: maximumBytes)
        }
    }

    /// Lets go of the files.
    public func close() {
        cursor.withLock { cursor in
            guard !cursor.isClosed else { return }
            cursor.isClosed = true
            cursor.file = nil
            cursor.rows = nil
            // What cannot be removed now goes when the store is opened next.
            try? FileManager.default.removeItem(atPath: folder)
        }
    }

    /// Writes rows of a family to a file until it is large enough.
    ///
    /// - Returns: how many, no file when there are none, and where the next part begins, if the family goes on.
    private func write(_ family: Family, from: [UInt8], to path: String) throws -> (rows: Int, next: [UInt8]?) {
        var file: SSTFile?
        var rows = 0
        var next: [UInt8]?
        try snapshot.scanWhole(family, from: from) { key, value in
            if family == .meta, key.dropFirst(2).elementsEqual(StateStore.appliedKey) { return true }
            return try writing {
                let open = try file ?? SSTFile(path: path, options: store.options(family))
                file = open
                guard open.size < partBytes else {
                    next = Array(key.dropFirst(2))
                    return false
                }
                try open.put(key, value)
                rows += 1
                return true
            }
        }
        try writing { try file?.finish() }
        return (rows, next)
    }

    /// A disk that does not take a part, for example because it is full, is no fault of the store's.
    private func writing<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw StorageFailure.snapshotFailed(slot: head.slot, reason: "\(error)")
        }
    }
}

extension StateStore {
    /// Begins to read all rows of a slot for another node.
    ///
    /// - Parameter partBytes: about how large a part becomes; a slot that is smaller, and small, is one part of rows.
    /// - Throws: ``StorageFailure``.
    public func export(_ slot: Slot, partBytes: Int = 32 << 20) throws -> SlotSnapshot {
        let number = exports.add(1, ordering: .relaxed).newValue
        return try SlotSnapshot(
            of: slot, store: self, partBytes: partBytes, rowsBytes: min(partBytes, SnapshotRows.maximumBytes),
            folder: "\(outgoingFolder)/\(number)")
    }
}

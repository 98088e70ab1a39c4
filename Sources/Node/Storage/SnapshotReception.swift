import Domain
import Foundation
import Identity
import NIOCore

/// The parts of a snapshot that is being received.
struct SnapshotReception {
    private let slot: Slot
    private let folder: String
    private var current: (part: SlotSnapshot.Part, family: Family, file: PartFile)?
    private var files: [Family: [String]] = [:]
    /// ``SnapshotRows``, and the part that they are.
    private var rows: (part: SlotSnapshot.Part, bytes: ByteBuffer)?
    private var count = 0
    private var isClosed = false

    init(slot: Slot, folder: String) {
        self.slot = slot
        self.folder = folder
    }

    mutating func begin(_ part: SlotSnapshot.Part) throws(StorageFailure) {
        guard !isClosed else { throw unusable("it is given up") }
        guard current == nil, rows == nil, part.number == count else {
            throw unusable("part \(part.number) comes where part \(count) is expected")
        }
        guard (1...SlotIngestion.maximumPartBytes).contains(part.size) else {
            throw unusable("part \(part.number) has \(part.size) bytes")
        }
        if part.family.isEmpty {
            guard part.number == 0, part.size <= SnapshotRows.maximumBytes else {
                throw unusable("part \(part.number) has \(part.size) bytes of rows")
            }
            rows = (part, ByteBuffer())
            return
        }
        guard let family = Family(columnFamily: part.family) else {
            throw unusable("it holds rows of the family \(part.family), which this version does not know")
        }
        do {
            current = (part, family, try PartFile(creating: "\(folder)/\(part.number).sst"))
        } catch {
            throw unusable("\(error)")
        }
    }

    mutating func write(_ bytes: ByteBuffer) throws(StorageFailure) -> Bool {
        if !isClosed, let part = rows?.part { return try write(bytes, part) }
        guard !isClosed, let (part, family, file) = current else { throw unusable("bytes of no part") }
        guard bytes.readableBytes <= part.size - file.size else {
            throw unusable("part \(part.number) is longer than \(part.size) bytes")
        }
        do {
            try file.append(bytes)
        } catch {
            throw unusable("\(error)")
        }
        guard file.size == part.size else { return false }
        guard file.appendedChecksum == part.checksum else {
            throw unusable("part \(part.number) is not what was sent: its checksum is wrong")
        }
        // A failed sync ends the process, here as well: the disk has lost something.
        try file.sync()
        file.keep()
        files[family, default: []].append(file.path)
        current = nil
        count += 1
        return true
    }

    private mutating func write(_ bytes: ByteBuffer, _ part: SlotSnapshot.Part) throws(StorageFailure) -> Bool {
        var all = rows?.bytes ?? ByteBuffer()
        guard count == 0, bytes.readableBytes <= part.size - all.readableBytes else {
            throw unusable("part 0 is longer than \(part.size) bytes")
        }
        all.writeImmutableBuffer(bytes)
        rows = (part, all)
        guard all.readableBytes == part.size else { return false }
        guard all.checksum == part.checksum else {
            throw unusable("part 0 is not what was sent: its checksum is wrong")
        }
        count = 1
        return true
    }

    /// All that has come: the files of each family in key order, or rows.
    func finish(parts: Int) throws(StorageFailure) -> (files: [Family: [String]], rows: ByteBuffer?) {
        guard !isClosed, current == nil, count == parts, rows == nil || count == 1 else {
            throw unusable("only \(count) of \(parts) parts have come")
        }
        return (files, rows?.bytes)
    }

    /// - Returns: whether this was the first time.
    mutating func close() -> Bool {
        defer { isClosed = true }
        current = nil
        return !isClosed
    }

    private func unusable(_ reason: String) -> StorageFailure { .snapshotFailed(slot: slot, reason: reason) }
}

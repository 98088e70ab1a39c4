import Foundation
import NIOCore
import Wire

/// The embedded coordinator's folder: a snapshot, the journal that continues it, and a lock. Its calls block.
/// Owned by one actor.
///
/// - `lock`: held by `flock` while a process serves the folder.
/// - `snapshot`: replaced whole, by renaming.
/// - `journal-G`: appended to, and synced before each acknowledgement.
final class CoordinatorDisk {
    private let directory: String
    private let lock: Int32
    private var journal: Int32
    private var generation: UInt64
    /// Bytes and records in the journal since the snapshot.
    private(set) var journalLength: Int
    private(set) var journalRecords: Int
    private(set) var snapshotLength: Int

    /// What the folder holds.
    struct Contents {
        var snapshot: CoordinatorSnapshot?
        var records: [CoordinatorRecord]
    }

    /// Opens the folder, making it when it does not exist.
    ///
    /// A torn last record is cut off: nobody was told that it was written.
    static func open(_ directory: String) throws(CoordinatorDiskFailure) -> (CoordinatorDisk, Contents) {
        if mkdir(directory, 0o700) != 0, errno != EEXIST { throw .last("make", directory) }
        let lock = Foundation.open("\(directory)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw .last("open", "\(directory)/lock") }
        do throws(CoordinatorDiskFailure) {
            guard flock(lock, LOCK_EX | LOCK_NB) == 0 else { throw .inUse(path: directory) }
            return try open(directory, lock: lock)
        } catch {
            close(lock)
            throw error
        }
    }

    private static func open(
        _ directory: String, lock: Int32
    ) throws(CoordinatorDiskFailure) -> (CoordinatorDisk, Contents) {
        let journals = try journalGenerations(in: directory)
        var snapshot: CoordinatorSnapshot?
        var generation: UInt64 = 0
        var snapshotLength = 0
        if let file = try read("\(directory)/snapshot") {
            (snapshot, generation) = try decodeSnapshot(file)
            snapshotLength = file.readableBytes
        }
        if !journals.contains(generation) {
            guard snapshot == nil, journals.isEmpty else {
                throw .corrupt(
                    file: "journal-\(generation)", offset: 0, reason: "it is missing, beside \(journals.count) others")
            }
            try createJournal(generation, in: directory)
        }
        // What a compaction left behind that was interrupted before or after its last step.
        for other in journals where other != generation { unlink("\(directory)/journal-\(other)") }

        let path = "\(directory)/journal-\(generation)"
        guard var file = try read(path) else { throw .corrupt(file: path, offset: 0, reason: "it vanished") }
        let found = try CoordinatorJournal.readHeader(.journal, from: &file, file: path)
        guard found == generation else {
            throw .corrupt(file: path, offset: 12, reason: "its header names generation \(found)")
        }
        let scan = try CoordinatorJournal.scan(file, file: path)
        let journal = Foundation.open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard journal >= 0 else { throw .last("open", path) }
        let disk = CoordinatorDisk(
            directory: directory, lock: lock, journal: journal, generation: generation, journalLength: scan.end,
            journalRecords: scan.records.count, snapshotLength: snapshotLength)
        if scan.end < file.writerIndex {
            guard ftruncate(journal, off_t(scan.end)) == 0, fsync(journal) == 0 else { throw .last("cut", path) }
        }
        return (disk, Contents(snapshot: snapshot, records: scan.records))
    }

    private init(
        directory: String, lock: Int32, journal: Int32, generation: UInt64, journalLength: Int, journalRecords: Int,
        snapshotLength: Int
    ) {
        self.directory = directory
        self.lock = lock
        self.journal = journal
        self.generation = generation
        self.journalLength = journalLength
        self.journalRecords = journalRecords
        self.snapshotLength = snapshotLength
    }

    deinit {
        close(journal)
        close(lock)
    }

    /// Writes a record and syncs it. After a failure nothing more may be appended: what the disk holds is unknown.
    func append(_ record: CoordinatorRecord) throws(CoordinatorDiskFailure) {
        let frame = CoordinatorJournal.frame(record.encoded())
        let path = "\(directory)/journal-\(generation)"
        try CoordinatorDisk.write(frame, to: journal, path: path)
        guard fdatasync(journal) == 0 else { throw .last("sync", path) }
        journalLength += frame.readableBytes
        journalRecords += 1
    }

    /// For tests: appends go to another file from now on.
    func redirectJournal(to path: String) throws(CoordinatorDiskFailure) {
        let opened = Foundation.open(path, O_WRONLY | O_CLOEXEC)
        guard opened >= 0 else { throw .last("open", path) }
        close(journal)
        journal = opened
    }

    /// Starts a new generation from `snapshot`. Interrupted anywhere, the folder opens as before or after.
    func compact(to snapshot: CoordinatorSnapshot) throws(CoordinatorDiskFailure) {
        let next = generation + 1
        try CoordinatorDisk.createJournal(next, in: directory)
        var file = CoordinatorJournal.header(.snapshot, generation: next)
        file.writeImmutableBuffer(CoordinatorJournal.frame(snapshot.encoded()))
        try CoordinatorDisk.replace("\(directory)/snapshot", by: file, in: directory)
        let path = "\(directory)/journal-\(next)"
        let opened = Foundation.open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard opened >= 0 else { throw .last("open", path) }
        close(journal)
        unlink("\(directory)/journal-\(generation)")
        journal = opened
        generation = next
        journalLength = CoordinatorJournal.headerLength
        journalRecords = 0
        snapshotLength = file.readableBytes
    }
}

extension CoordinatorDisk {
    private static func journalGenerations(in directory: String) throws(CoordinatorDiskFailure) -> Set<UInt64> {
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: directory) } catch {
            throw .last("list", directory)
        }
        return Set(names.compactMap { $0.hasPrefix("journal-") ? UInt64($0.dropFirst("journal-".count)) : nil })
    }

    private static func decodeSnapshot(
        _ file: ByteBuffer
    ) throws(CoordinatorDiskFailure) -> (CoordinatorSnapshot, generation: UInt64) {
        var file = file
        let generation = try CoordinatorJournal.readHeader(.snapshot, from: &file, file: "snapshot")
        guard
            let payload = CoordinatorJournal.payload(
                at: file.readerIndex, of: file, maximum: CoordinatorJournal.maximumSnapshotLength)
        else {
            throw .corrupt(file: "snapshot", offset: file.readerIndex, reason: "its checksum does not match")
        }
        do throws(FieldError) { return (try CoordinatorSnapshot(decoding: payload), generation) } catch {
            throw .corrupt(file: "snapshot", offset: file.readerIndex, reason: "it cannot be decoded: \(error)")
        }
    }

    private static func createJournal(_ generation: UInt64, in directory: String) throws(CoordinatorDiskFailure) {
        try replace(
            "\(directory)/journal-\(generation)", by: CoordinatorJournal.header(.journal, generation: generation),
            in: directory)
    }

    /// Writes a file beside `path`, syncs it, renames it to `path` and syncs the folder.
    private static func replace(
        _ path: String, by content: ByteBuffer, in directory: String
    ) throws(CoordinatorDiskFailure) {
        let fresh = path + ".new"
        let file = Foundation.open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .last("create", fresh) }
        defer { close(file) }
        try write(content, to: file, path: fresh)
        guard fsync(file) == 0 else { throw .last("sync", fresh) }
        guard rename(fresh, path) == 0 else { throw .last("rename", fresh) }
        let folder = Foundation.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw .last("open", directory) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw .last("sync", directory) }
    }

    private static func write(
        _ content: ByteBuffer, to file: Int32, path: String
    ) throws(CoordinatorDiskFailure) {
        var rest = content
        while rest.readableBytes > 0 {
            let count = rest.withUnsafeReadableBytes { Foundation.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .last("write", path) }
            rest.moveReaderIndex(forwardBy: count)
        }
    }

    /// The file's bytes; `nil` when it does not exist.
    private static func read(_ path: String) throws(CoordinatorDiskFailure) -> ByteBuffer? {
        let file = Foundation.open(path, O_RDONLY | O_CLOEXEC)
        if file < 0, errno == ENOENT { return nil }
        guard file >= 0 else { throw .last("open", path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .last("read", path) }
        guard status.st_size <= CoordinatorJournal.maximumSnapshotLength else {
            throw .corrupt(file: path, offset: 0, reason: "it is larger than the coordinator ever writes")
        }
        var content = ByteBuffer()
        content.reserveCapacity(Int(status.st_size))
        while true {
            let count = content.writeWithUnsafeMutableBytes(minimumWritableBytes: 65_536) { bytes in
                max(0, Foundation.read(file, bytes.baseAddress, bytes.count))
            }
            if count == 0 { break }
        }
        guard content.readableBytes == Int(status.st_size) else { throw .last("read", path) }
        return content
    }
}

extension CoordinatorDiskFailure {
    /// The failure that `errno` holds.
    fileprivate static func last(_ operation: String, _ path: String) -> CoordinatorDiskFailure {
        .system(operation: operation, path: path, errno: errno)
    }
}

import Foundation
import NIOCore

/// What a process that ends because of a broken block leaves for the next one, in a folder beside the instance.
struct DamageNote {
    let folder: String
    private var path: String { folder + "/DAMAGE" }

    /// - Parameter instance: the folder of the RocksDB instance.
    init(besides instance: String) { folder = instance + ".repair" }

    /// RocksDB's words, when a write failed because of a broken block.
    var reason: String? { FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } }

    /// Remembers a failed write, if a broken block was the reason. The process is about to end; when the note cannot be
    /// written, the next process fails as well, and tries again.
    func remember(_ failure: StorageFailure) {
        guard case .rocksDB(let reason) = failure, reason.hasPrefix("Corruption:") else { return }
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try? DamageNote.write(reason, to: path)
    }

    /// The instance is whole again.
    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    /// Whole or not at all.
    static func write(_ text: String, to path: String) throws(StorageFailure) {
        let draft = path + ".new"
        let file = try PartFile(creating: draft)
        file.keep()
        try file.append(ByteBuffer(string: text))
        try file.sync()
        guard rename(draft, path) == 0 else { throw .last(path) }
        try syncFolder(of: path)
    }

    /// Brings the names in the folder that `path` lies in to disk.
    static func syncFolder(of path: String) throws(StorageFailure) {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last(folder) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .last(folder) }
    }
}

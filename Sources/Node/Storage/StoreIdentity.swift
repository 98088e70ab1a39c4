import Foundation
import Identity

/// Whose data a folder holds: the file `STORE` in it, three lines of text.
public struct StoreIdentity: Hashable, Sendable {
    /// The newest data format that this version reads and the one that it writes.
    public static let format = 1
    static let fileName = "STORE"

    public var format: Int
    public var cluster: ClusterID
    public var store: StoreID

    /// Reads the folder's identity, or gives it one when it is new.
    ///
    /// - Throws: ``StorageFailure`` when the folder belongs to another cluster or to a newer version.
    public static func establish(folder: String, cluster: ClusterID) throws(StorageFailure) -> StoreIdentity {
        let path = folder + "/" + fileName
        if FileManager.default.fileExists(atPath: path) {
            let found = try StoreIdentity(path: path)
            guard found.format <= format else {
                throw .newerFormat(path: folder, found: found.format, supported: format)
            }
            guard found.cluster == cluster else {
                throw .foreignCluster(path: folder, found: "\(found.cluster)", expected: "\(cluster)")
            }
            return found
        }
        for part in ["log", "state"] where FileManager.default.fileExists(atPath: folder + "/" + part) {
            throw .file(path: path, reason: "missing, although the folder holds data")
        }
        var generator = SystemRandomNumberGenerator()
        let identity = StoreIdentity(format: format, cluster: cluster, store: .random(using: &generator))
        try identity.write(to: path, folder: folder)
        return identity
    }

    init(format: Int, cluster: ClusterID, store: StoreID) {
        self.format = format
        self.cluster = cluster
        self.store = store
    }

    private init(path: String) throws(StorageFailure) {
        guard let data = FileManager.default.contents(atPath: path), data.count <= 4096 else {
            throw .unreadableIdentity(path: path)
        }
        var fields: [Substring: Substring] = [:]
        let text = String(decoding: data, as: UTF8.self)
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2 else { throw .unreadableIdentity(path: path) }
            fields[parts[0]] = parts[1]
        }
        guard let format = fields["format"].flatMap({ Int($0) }) else { throw .unreadableIdentity(path: path) }
        // A newer format may say more, or other things, of its cluster: its version alone is looked at.
        guard format <= StoreIdentity.format else {
            throw .newerFormat(path: path, found: format, supported: StoreIdentity.format)
        }
        guard let cluster = fields["cluster"].flatMap({ ClusterID(rawValue: String($0)) }),
            let store = fields["store"].flatMap({ StoreID(rawValue: String($0)) })
        else { throw .unreadableIdentity(path: path) }
        self.init(format: format, cluster: cluster, store: store)
    }

    /// Whole or not at all: a new file is synced, then renamed, then the folder is synced.
    private func write(to path: String, folder: String) throws(StorageFailure) {
        let text = "format \(format)\ncluster \(cluster)\nstore \(store)\n"
        let draft = path + ".new"
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: draft))
            for (file, rename) in [(draft, true), (folder, false)] {
                let descriptor = open(file, O_RDONLY)
                guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
                defer { close(descriptor) }
                guard fsync(descriptor) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
                if rename, Foundation.rename(draft, path) != 0 { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
            }
        } catch {
            throw .file(path: path, reason: "\(error)")
        }
    }
}

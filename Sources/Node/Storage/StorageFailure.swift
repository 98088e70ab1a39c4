/// Why a store cannot be opened, read or written. All of these end the process: a store that fails is not retried.
public enum StorageFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// RocksDB's own words.
    case rocksDB(String)
    case file(path: String, reason: String)
    /// The folder belongs to another cluster.
    case foreignCluster(path: String, found: String, expected: String)
    /// The folder was written by a newer version of Guildhall.
    case newerFormat(path: String, found: Int, supported: Int)
    /// The store file is not one of ours.
    case unreadableIdentity(path: String)
    /// The log and the state do not fit together, or an entry is not what was written.
    case corrupt(String)

    public var description: String {
        switch self {
        case .rocksDB(let reason): "RocksDB: \(reason)"
        case .file(let path, let reason): "\(path): \(reason)"
        case .foreignCluster(let path, let found, let expected):
            "\(path) holds data of cluster \(found), but this node belongs to cluster \(expected)"
        case .newerFormat(let path, let found, let supported):
            "\(path) has data format \(found), newer than \(supported), the newest that this version reads"
        case .unreadableIdentity(let path): "\(path) is not a store file of Guildhall"
        case .corrupt(let what): "the store is corrupt: \(what)"
        }
    }
}

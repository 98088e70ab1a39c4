import Identity

/// Why a store cannot be opened, read or written.
///
/// All but two end the process: a store that fails is not retried. ``corruptReplica(slot:index:reason:)``: what was read
/// of one slot is not what had been written, and this node's replica of that slot alone is taken out.
/// ``snapshotFailed(slot:reason:)``: a copy did not come about, and may be tried again. Whether a *write* or a sync
/// reached the disk is never known after it failed, so failed writes end the process whatever RocksDB calls them.
public enum StorageFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// RocksDB's own words.
    case rocksDB(String)
    case file(path: String, reason: String)
    /// There is too little space to open the store.
    case diskFull(path: String, available: Int, needed: Int)
    /// The folder belongs to another cluster.
    case foreignCluster(path: String, found: String, expected: String)
    /// The folder was written by a newer version of Guildhall.
    case newerFormat(path: String, found: Int, supported: Int)
    /// The store file is not one of ours.
    case unreadableIdentity(path: String)
    /// The log and the state do not fit together, or an entry is not what was written.
    case corrupt(String)
    /// An entry or a block of one slot is not what was written, or its sectors cannot be read.
    case corruptReplica(slot: Slot, index: LogIndex?, reason: String)
    /// A snapshot of a slot cannot be made, received or installed. The store is sound: the slot is as it was or, when
    /// ``SlotIngestion/install(parts:)`` failed half-way, empty.
    case snapshotFailed(slot: Slot, reason: String)

    /// Runs what reads one slot, and names the slot in RocksDB's complaint of a broken or unreadable block.
    static func locating<Result>(_ slot: Slot, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let failure as StorageFailure {
            throw failure.read(of: slot)
        }
    }

    /// Whether the process may go on; see the type.
    public var isLocal: Bool {
        switch self {
        case .corruptReplica, .snapshotFailed: true
        default: false
        }
    }

    /// This failure, as one that came of reading the slot.
    func read(of slot: Slot) -> StorageFailure {
        guard case .rocksDB(let reason) = self else { return self }
        // Words of rocksdb::Status::ToString, and of strerror(EIO): a sector that cannot be read. Other failures of
        // reading, such as too many open files, are no fault of the slot's data.
        guard
            reason.hasPrefix("Corruption:") || (reason.hasPrefix("IO error:") && reason.hasSuffix("Input/output error"))
        else { return self }
        return .corruptReplica(slot: slot, index: nil, reason: reason)
    }

    public var description: String {
        switch self {
        case .rocksDB(let reason) where reason.hasSuffix("No space left on device"):
            "the disk is full: free space on it, and the process goes on when it is started again (RocksDB: \(reason))"
        case .rocksDB(let reason): "RocksDB: \(reason)"
        case .diskFull(let path, let available, let needed):
            "the disk is full: free space on it, and the process goes on when it is started again (\(path): "
                + "\(available) bytes are available, and it takes \(needed) to begin)"
        case .file(let path, let reason): "\(path): \(reason)"
        case .foreignCluster(let path, let found, let expected):
            "\(path) holds data of cluster \(found), but this node belongs to cluster \(expected) "
                + "(if the coordinator's data was lost: guildctl coordinator restore-record)"
        case .newerFormat(let path, let found, let supported):
            "\(path) has data format \(found), newer than \(supported), the newest that this version reads"
        case .unreadableIdentity(let path): "\(path) is not a store file of Guildhall"
        case .corrupt(let what): "the store is corrupt: \(what)"
        case .corruptReplica(let slot, let index?, let reason):
            "entry \(index) of slot \(slot) is corrupt on this node: \(reason)"
        case .corruptReplica(let slot, nil, let reason): "slot \(slot) is corrupt on this node: \(reason)"
        case .snapshotFailed(let slot, let reason): "the snapshot of slot \(slot) fails: \(reason)"
        }
    }
}

/// What can be wrong with a backup.
public enum BackupFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Bytes are not those that were written.
    case damaged(object: String, reason: String)
    /// Written by a newer version of Guildhall.
    case unknownFormat(object: String, Int)
    case missing(String)
    /// The backup was never finished.
    case incomplete(String)
    case invalid(String)

    public var description: String {
        switch self {
        case .damaged(let object, let reason): "\(object) is damaged: \(reason)"
        case .unknownFormat(let object, let format): "\(object) has format \(format), which this version does not read"
        case .missing(let what): "\(what) is missing"
        case .incomplete(let id): "the backup \(id) was never finished; `guildctl backup create --resume \(id)` does it"
        case .invalid(let what): what
        }
    }
}

/// What can be wrong with the bytes of a pack.
public enum PackError: Error, Hashable, Sendable {
    case truncated
    case notAPack
    case unknownFormat(UInt8)
    case unknownKind(UInt8)
    /// A chunk or record says that it has more bytes than any may have.
    case tooLarge(Int)
    case wrongChecksum
    /// The checksum holds, and yet the chunk is not what a writer makes.
    case malformed(String)
}

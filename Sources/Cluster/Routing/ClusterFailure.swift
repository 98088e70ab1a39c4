import Coordination

/// Why a process cannot take its place in the cluster.
public enum ClusterFailure: Error, Hashable, Sendable, CustomStringConvertible {
    case coordinator(CoordinatorFailure)
    /// The coordinator holds no cluster record yet, and none came within the time given.
    case notInitialised
    /// The cluster was made by a newer version.
    case newerDataFormat(found: UInt64, supported: UInt64)
    /// A stored value cannot be read: the key, and what is wrong.
    case unreadable(key: String, reason: String)
    /// The cluster exists, and was created with another test flag than the one asked for.
    case testFlagDiffers(clusterIsTest: Bool)
    /// Only a cluster created for tests lets its clock be moved.
    case notATestCluster
    case deadlineExceeded(String)
    /// The cluster was migrated to another coordinator: which one, in words.
    case moved(to: String)
    /// A migration to this coordinator, or away from it, cannot go on as asked.
    case migration(String)
    /// The cluster's record cannot be put back as asked.
    case restoration(String)
    /// The shard map cannot be planned.
    case placement(String)

    public var description: String {
        switch self {
        case .coordinator(.unavailable(let reason)): "the coordinator is unavailable: \(reason)"
        case .coordinator(.leaseExpired): "the lease at the coordinator expired"
        case .coordinator(.compacted): "the coordinator's history does not reach back far enough"
        case .coordinator(.invalid(let reason)): "the coordinator refused the request: \(reason)"
        case .notInitialised: "the coordinator holds no cluster yet; the router creates it when it first starts"
        case .newerDataFormat(let found, let supported):
            "the cluster's data format is \(found), and this version reads up to \(supported): use a newer version"
        case .unreadable(let key, let reason): "the coordinator's value of \(key) cannot be read: \(reason)"
        case .testFlagDiffers(let clusterIsTest):
            clusterIsTest
                ? "the cluster was created for tests and cannot be started as another"
                : "the cluster was not created for tests, and cannot be made one"
        case .notATestCluster: "the clock can be moved only in a cluster that was created for tests"
        case .deadlineExceeded(let what): "not done within the deadline: \(what)"
        case .moved(let place):
            "the cluster was moved to \(place): point this process's coordinator settings there"
        case .migration(let reason), .restoration(let reason): "\(reason)"
        case .placement(let reason): "the shard map cannot be planned: \(reason)"
        }
    }
}

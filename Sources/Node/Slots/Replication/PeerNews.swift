import Identity
import Replication

/// What the executors learn of the other guild nodes, as of one moment.
struct PeerNews: Sendable {
    var view: PeerLiveness.View
    /// By slot: the earliest time at which this node may campaign for it.
    var campaignTimes: [BootTime]
}

/// The slots that one executor's primaries claim, for each node whose lease they need.
typealias Claims = [NodeID: [PeerLiveness.Claim]]

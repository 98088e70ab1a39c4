/// Every time and bound of replication, by name (DESIGN §6).
public struct ReplicationLimits: Hashable, Sendable {
    /// How often a node sends each other guild node a beacon.
    public var beaconInterval: Duration = .milliseconds(250)
    /// A primary serves until this long after it sent the oldest of its members' latest answered beacons.
    public var lease: Duration = .seconds(2)
    /// A replica campaigns no sooner than this after the last beacon of the primary that it answered, and after its own
    /// start. The difference to ``lease`` covers the clocks' drift.
    public var silence: Duration = .seconds(3)
    /// Replicas of one slot campaign one after the other, this far apart.
    public var campaignStagger: Duration = .milliseconds(300)
    /// Without an answered beacon for this long a node is suspect: it leaves the in-sync sets that stay at their minimum.
    public var suspicion: Duration = .seconds(1)
    /// Without an answered beacon for this long it also leaves those that fall below the minimum by it.
    public var absence: Duration = .seconds(5)
    /// A suspect node must have answered without a break for this long before it joins in-sync sets again.
    public var recovery: Duration = .seconds(2)
    /// That time doubles, up to this, with each suspicion that follows soon on a recovery: nodes that are merely slow must
    /// not change all rows over and over, which would make them slower.
    public var longestRecovery: Duration = .seconds(60)
    /// Entries sent to a follower and not acknowledged.
    public var window = 8192
    /// Entries in one append.
    public var batch = 1024
    /// A learner that lacks at most this many entries joins the in-sync set; a hand-over begins no sooner either.
    public var promotionLag: UInt64 = 64
    /// A member that has not acknowledged this many entries is lagging: it leaves the in-sync set.
    public var exclusionLag: UInt64 = 65_536
    /// A member that owes an acknowledgement for this long leaves the in-sync set that stays at its minimum.
    public var stall: Duration = .seconds(2)
    /// Without any progress for this long, what was sent to a follower is sent again.
    public var resend: Duration = .seconds(1)
    /// How long a primary stands still for a hand-over before it takes the slot back.
    public var handOver: Duration = .seconds(1)
    /// How long it then waits before it tries again.
    public var handOverPause: Duration = .seconds(5)
    /// How often a replica asks for its snapshot again when none comes.
    public var snapshotRetry: Duration = .seconds(5)

    public init() {}
}

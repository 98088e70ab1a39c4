import Identity
import Logging
import Routing
import Storage
import Transport

/// What all slots of a node share.
struct SlotEnvironment: Sendable {
    var node: NodeID
    /// Names this life of the process in replication.
    var life: UInt64
    var store: Store
    /// Says when the disk is too full for writes of clients.
    var disk: DiskGuard
    var writer: LogWriter
    var services: ServiceRegistry
    var clock: WallClock
    var tokenSecret: TokenSecret
    var limits: SlotLimits
    var readers: BoundedPool
    var computers: BoundedPool
    /// For reads that a slot waits for: its loading, and what its followers lack.
    var disks: BoundedPool
    /// For slots as a whole, in the background: snapshots, clearing, comparing. What takes long is not in the way of
    /// ``disks`` there.
    var movers: BoundedPool
    var caller: any SlotCaller
    /// Reaches the other guild nodes; absent where there are none.
    var client: (any CallClient)?
    var metrics: SlotMetrics
    var logger: Logger
    /// Ends the process when the state cannot be written.
    var fail: @Sendable (StorageFailure) -> Never
}

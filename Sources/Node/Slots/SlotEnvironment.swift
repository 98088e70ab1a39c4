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
    /// For the log and the state as a whole: loading, clearing, catching up.
    var disks: BoundedPool
    var caller: any SlotCaller
    /// Reaches the other guild nodes; absent where there are none.
    var client: (any CallClient)?
    var metrics: SlotMetrics
    var logger: Logger
    /// Ends the process when the state cannot be written.
    var fail: @Sendable (StorageFailure) -> Never
}

import NIOCore
import Replication

/// Every bound of the slots' runtime, by name.
public struct SlotLimits: Sendable {
    /// Commands of one slot whose answers wait for a commit; above it calls are answered `unavailable`.
    public var pendingCommands = 4096
    /// Retries of one request that wait for the first.
    public var joinedRetries = 64
    /// Commands of one slot that wait for another slot's answer.
    public var waitingCommands = 1024
    /// An answer that is remembered whole, in bytes; a larger one must name a read that gives it again.
    public var inlineReply = 256 << 10
    /// How often a slot forgets request ids that are too old to come again.
    public var requestPruning: Duration = .seconds(30)

    /// Threads that read snapshots, and reads that wait for one.
    public var readerThreads = 2
    public var queuedReads = 4096
    /// Threads that hash passwords, and hashes that wait for one.
    public var computeThreads = 2
    public var queuedComputations = 256

    /// Effects in one delivery.
    public var outboxBatch = 64
    /// Deliveries of one slot under way at once.
    public var outboxDeliveries = 16
    /// How long one delivery may take before it is tried again.
    public var outboxTimeout: TimeAmount = .seconds(10)
    public var outboxFirstPause: Duration = .milliseconds(50)
    public var outboxLongestPause: Duration = .seconds(5)
    /// How long an answer waits for its effects on the slots of the users whom it concerns: less than a caller's first
    /// attempt takes (`RemoteSlotCaller.Settings.attemptTimeout`), who would ask again otherwise.
    public var effectPatience: TimeAmount = .milliseconds(750)

    /// What is kept of recent events, for gateways that ask again: by age, and by root entity and slot in number
    /// and bytes. The age exceeds the gateways' resume window.
    public var ringAge: Duration = .seconds(300)
    public var ringEventsOfRoot = 8192
    public var ringBytesOfRoot = 8 << 20
    public var ringBytesOfSlot = 16 << 20
    /// Of all slots of one executor, about: looked at when the log is trimmed.
    public var ringBytesOfExecutor = 192 << 20
    /// Bytes of events in the answer to one fetch; above it the gateway is told of a gap.
    public var fetchedBytes = 4 << 20
    /// Requests of gateways that wait for a slot that is about to serve.
    public var waitingStreamRequests = 65_536

    /// How often the log is trimmed, and how long an entry stays in it at least.
    public var logTrimming: Duration = .seconds(30)
    public var logRetention: Duration = .seconds(360)
    /// How often the state is brought to disk, so that the log can be trimmed and a restart is quick.
    public var stateFlushing: Duration = .seconds(600)
    /// How long deletions of slots that are held no more are gathered: each flushes the store, and a few flushes make a
    /// compaction. About as often as the store is flushed under load anyway.
    public var clearingDelay: Duration = .seconds(300)
    /// Entries applied in one turn of an executor's loop.
    public var appliedEntries = 256
    /// Entries applied in one batch when the log is replayed.
    public var replayBatch = 1024

    /// How often the disk's space is looked at.
    public var diskChecking: Duration = .seconds(1)

    /// The times and bounds of the protocol between replicas.
    public var replication = ReplicationLimits()
    /// The smallest in-sync set that commits, for slots with at least so many replicas.
    public var wantedMinimum = 2
    /// What of a slot's applied entries its primary keeps in memory, for followers that are a little behind.
    public var heldEntries = 512
    public var heldBytes = 256 << 10
    /// Entries in one message to a follower, in bytes, at most (one entry may be larger); and messages in one item of
    /// a stream.
    public var appendBytes = 1 << 20
    public var replicationItemBytes = 4 << 20
    /// What is read from the log for a follower that lags and is not acknowledged yet, in bytes: of one executor.
    public var catchUpBytes = 8 << 20
    /// What one executor sends of its logs to a learner, in bytes a second.
    public var learnerBytesPerSecond = 16 << 20
    /// When a follower that is sent such acknowledges nothing for so long, it is sent more all the same.
    public var catchUpPatience: Duration = .seconds(2)
    /// How often replicas look at the time.
    public var replicationTick: Duration = .milliseconds(100)
    /// One snapshot on its way: bytes in one message, bytes that are not acknowledged, bytes a second, and how long
    /// there may be no progress, its turn at the learner included.
    public var snapshotPiece = 256 << 10
    public var snapshotWindow = 8 << 20
    public var snapshotBytesPerSecond = 64 << 20
    public var snapshotPatience: Duration = .seconds(60)
    /// Snapshots that wait for their turn at a learner.
    public var waitingSnapshots = 64
    /// Threads that read logs for followers and load slots, and those that copy and clear them; what waits for either.
    public var diskThreads = 2
    public var moverThreads = 2
    public var queuedDiskWork = 8192
    /// A write to the log or to the state that takes so long is logged: others wait for it.
    public var slowWrite: Duration = .milliseconds(100)
    /// A follower that lags keeps its primary from trimming the log up to so many bytes of a slot.
    public var logKeptForFollowers = 256 << 20
    /// Recent events that a backup keeps: enough for gateways to go on when it becomes primary.
    public var backupRingAge: Duration = .seconds(60)

    public init() {}
}

import Identity

/// What a primary knows of a node that it feeds.
struct Follower: Hashable, Sendable {
    enum Phase: Hashable, Sendable {
        /// An append is out that asks whether the follower's log holds the entry before ``next``.
        case probing(since: BootTime)
        case streaming
        /// A snapshot is on its way.
        case receivingSnapshot
        /// Nothing is sent before this time: the last attempt failed.
        case pausing(until: BootTime)
    }

    var phase: Phase
    /// The first entry that is not sent.
    var next: LogIndex
    /// All through this one are on the follower's disk.
    var acknowledged: LogIndex = .zero
    /// The commit index that it has been told.
    var toldCommit: LogIndex = .zero
    var told = BootTime.distantPast
    /// The commit index that it has said to know.
    var knownCommit: LogIndex = .zero
    /// When ``acknowledged`` last rose, or there was nothing to acknowledge, or it was sent again.
    var progressed: BootTime
    /// When ``acknowledged`` last rose, or there was nothing to acknowledge.
    var kept: BootTime
    /// The end of the log when this node began to feed it: what lies below does not count as lag.
    var baseline: LogIndex
    /// The process that ``acknowledged`` is about; `nil` until it has answered.
    var life: UInt64?
    var formerLives: [UInt64] = []
    /// It has said that its disk may lack what is committed.
    var isBlank = true
    var admitted = BootTime.distantPast

    var isStreaming: Bool { phase == .streaming }
}

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
    /// When ``acknowledged`` last rose, or there was nothing to acknowledge.
    var progressed: BootTime

    /// The log must be kept from the entry after this one on.
    var needed: LogIndex {
        switch phase {
        case .streaming: acknowledged
        // What a snapshot holds is named when it is sent; until then anything may be needed.
        case .probing, .receivingSnapshot, .pausing: acknowledged
        }
    }

    var isStreaming: Bool { phase == .streaming }
}

import Identity
import NIOCore
import Replication
import Routing
import Storage

/// Whether the rows could be had at the index that was asked for.
enum HoldResult: Sendable {
    case held(StateSnapshot)
    case passed(LogIndex)
    case behind(LogIndex)
    case absent(String)
}

/// Somebody waits for a slot's rows as they are when exactly the entries through an index are applied.
struct AwaitedRows {
    var id: UInt64
    var index: LogIndex
    var complete: (HoldResult) -> Void
}

extension SlotExecutor {
    /// How far the slot is applied here; `nil` when it is not in use.
    func appliedIndex(of slot: Slot) -> LogIndex? { replicas[slot]?.core.appliedIndex }

    /// - Parameter complete: called once, on the event loop.
    func hold(_ slot: Slot, at index: LogIndex, until deadline: NIODeadline, complete: @escaping (HoldResult) -> Void) {
        guard !isClosed, let replica = replicas[slot] else {
            return complete(.absent("the slot is not in use here"))
        }
        let applied = replica.core.appliedIndex
        if applied > index { return complete(.passed(applied)) }
        if applied == index { return complete(.held(environment.store.state.snapshot(slot))) }
        let id = replica.awaitRows(at: index, complete)
        let patience = max(.zero, deadline - .now())
        schedule(in: .nanoseconds(patience.nanoseconds)) {
            replica.giveUpRows(id)
        }
    }

    /// The replica's state on disk is exactly as far as its core says.
    func fulfilHolds(of replica: SlotReplica) {
        guard replica.hasAwaitedRows else { return }
        for complete in replica.takeReached() { complete(.held(environment.store.state.snapshot(replica.slot))) }
    }
}

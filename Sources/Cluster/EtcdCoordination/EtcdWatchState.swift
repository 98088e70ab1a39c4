import Coordination
import NIOCore

/// Where a watch is in etcd's history: a value that takes messages and says what to give out and where to go on.
///
/// A transaction's changes share one revision, and a connection may break, or a message be cut, between them. So a new
/// stream begins *with* the last revision of which something was given out, and what was given out of it is skipped:
/// the order within a revision is always the same. Progress notifications move the position over revisions that
/// changed nothing under the prefix, so that a quiet watch is not left behind by compaction.
struct EtcdWatchState {
    enum Step: Equatable {
        /// Possibly none.
        case changes([CoordinatorChange])
        /// etcd is at this revision where it was joined, which lies before the watch's own: to be asked for, since the
        /// member may only be late.
        case isBehind(at: UInt64)
        /// The history is gone, or is another's.
        case compacted
        /// The stream was ended by etcd, with its reason.
        case canceled(String)
    }

    private let codec: EtcdCodec
    /// The last revision that was given out, in whole or in part, or that the consumer had from elsewhere.
    private(set) var revision: UInt64
    /// How many changes of `revision` were given out; 0 when it is done with.
    private var given = 0
    /// How many of them the present stream still repeats.
    private var toSkip = 0
    /// The message before said that it goes on.
    private var isWithinMessage = false
    private var cluster: String?

    init(after revision: UInt64, codec: EtcdCodec) {
        self.revision = revision
        self.codec = codec
    }

    /// The first revision to ask a new stream for.
    mutating func begin() -> UInt64 {
        toSkip = given
        isWithinMessage = false
        return given > 0 ? revision : revision + 1
    }

    mutating func take(_ message: EtcdAnswer.Watch) throws(EtcdCodec.Unreadable) -> Step {
        // After a restore from a backup etcd counts anew, under another name.
        if let id = message.header?.clusterId {
            if let cluster, cluster != id { return .compacted }
            cluster = id
        }
        if let compacted = message.compactRevision, compacted.value > 0 { return .compacted }
        if message.canceled == true { return .canceled(message.cancelReason ?? "no reason") }
        let reached = message.header?.revision?.unsigned ?? 0
        if message.created == true { return reached < revision ? .isBehind(at: reached) : .changes([]) }
        let events = message.events ?? []
        var changes: [CoordinatorChange] = []
        changes.reserveCapacity(events.count)
        for event in events {
            let change = try codec.change(event)
            if admit(change) { changes.append(change) }
        }
        // Only a message without changes is a notification of progress; others may have been sent while more waits.
        if events.isEmpty, !isWithinMessage, reached > revision {
            revision = reached
            given = 0
            toSkip = 0
        }
        isWithinMessage = message.fragment == true
        return .changes(changes)
    }

    private mutating func admit(_ change: CoordinatorChange) -> Bool {
        if change.revision == revision, toSkip > 0 {
            toSkip -= 1
            return false
        }
        if change.revision != revision {
            revision = change.revision
            given = 0
            toSkip = 0
        }
        given += 1
        return true
    }
}

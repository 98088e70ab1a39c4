import DequeModule
import Identity
import NIOCore
import Wire

/// A session of another gateway as its buddy has it: its state at some sequence number, and what happened since.
///
/// It can be turned back to any sequence number from ``floor`` to ``last``. What its client had received by then is
/// settled by the number; all that came later is fetched from the guild nodes again, by the number of the first event
/// that the client did not receive.
struct JournaledSession {
    /// Entries above it are folded into the state, the oldest first.
    static let maximumEntries = ReplayBuffer.maximumCount

    private enum Change {
        case event(RootEntity, EventNumber)
        case shift(GuildID, ChannelID, hasAppeared: Bool)
        case state(RootEntity, JournaledRoot?)
    }

    private var record: SessionRecord
    private var roots: [RootEntity: JournaledRoot] = [:]
    private var entries: Deque<(sequence: Int, change: Change)> = []
    /// The lowest sequence number that it can be turned back to.
    private(set) var floor: Int
    /// The last sequence number that the client can have received.
    private(set) var last: Int

    /// - Parameter record: the session as it stands; its deliveries back to the record's floor are known by number.
    init(_ record: SessionRecord) {
        self.record = record
        floor = record.floor
        last = record.sequence
        for root in record.roots {
            roots[root.entity] = JournaledRoot(after: root.after, seen: root.seen, isLive: root.isLive)
        }
        for delivery in record.deliveries {
            guard case .event(let root, let number) = delivery.cause else { continue }
            entries.append((delivery.sequence, .event(root, number)))
        }
        self.record.deliveries = []
        self.record.roots = []
    }

    var id: SessionID { record.id }
    var generation: Int { record.generation }
    var entryCount: Int { entries.count }
    var entities: Dictionary<RootEntity, JournaledRoot>.Keys { roots.keys }

    func belongs(to token: Token) -> Bool {
        (record.actor.userID.rawValue ^ token.userID.rawValue) | (record.actor.tokenID ^ token.tokenID) == 0
    }

    mutating func add(_ header: JournalGroup.Header, at sequence: Int) {
        switch header {
        case .event(let root, let number): entries.append((sequence, .event(root, number)))
        case .shift(let guild, let channel, let hasAppeared):
            entries.append((sequence, .shift(guild, channel, hasAppeared: hasAppeared)))
        case .state(let root, let state): entries.append((sequence, .state(root, state)))
        case .other: break
        case .acknowledged: return acknowledge(sequence)
        }
        last = max(last, sequence)
        if entries.count > JournaledSession.maximumEntries {
            trim(to: JournaledSession.maximumEntries - JournaledSession.maximumEntries / 4)
        }
    }

    /// Folds all but the newest entries into the state.
    mutating func trim(to count: Int) {
        guard entries.count > count else { return }
        acknowledge(entries[entries.count - count - 1].sequence)
    }

    /// The client will not go back before `sequence`.
    private mutating func acknowledge(_ sequence: Int) {
        guard sequence > floor, sequence <= last else { return }
        while let first = entries.first, first.sequence <= sequence {
            JournaledSession.apply(first.change, to: &roots)
            entries.removeFirst()
        }
        floor = sequence
    }

    private static func apply(_ change: Change, to roots: inout [RootEntity: JournaledRoot]) {
        switch change {
        case .event(let root, let number):
            if let after = roots[root]?.after { roots[root]?.after = max(after, number) }
        case .shift(let guild, let channel, let hasAppeared):
            roots[.guild(guild)]?.seen?.removeAll { $0 == channel }
            if hasAppeared { roots[.guild(guild)]?.seen?.append(channel) }
        case .state(let root, let state): roots[root] = state
        }
    }

    /// What comes after the point that a session is turned back to, for one entity.
    private struct Rest {
        /// The first event that its client did not receive.
        var first: EventNumber?
        /// Events from here on belong to another stay of the session.
        var isBroken = false
    }

    /// The session as its client knew it when it had received all up to `sequence`.
    ///
    /// - Parameter marks: the last event of each entity that the lost gateway had taken.
    /// - Returns: `nil` when that cannot be told with certainty.
    func record(at sequence: Int, marks: [RootEntity: EventNumber]) -> SessionRecord? {
        guard floor <= sequence, sequence <= last else { return nil }
        var roots = roots
        var rest: [RootEntity: Rest] = [:]
        for (entrySequence, change) in entries {
            if entrySequence <= sequence {
                JournaledSession.apply(change, to: &roots)
                continue
            }
            switch change {
            case .event(let root, let number):
                var known = rest[root] ?? Rest()
                if known.first == nil, !known.isBroken { known.first = number }
                rest[root] = known
            case .shift(let guild, _, _): rest[.guild(guild)] = rest[.guild(guild)] ?? Rest()
            case .state(let root, let state):
                var known = rest[root] ?? Rest()
                if state?.isLive != true { known.isBroken = true }
                rest[root] = known
            }
        }
        var record = record
        record.sequence = sequence
        record.floor = sequence
        record.settled = sequence
        record.generation += 1
        record.isDoubtful = false
        record.roots = roots.map { entity, root in
            var after = root.after
            if let known = after {
                if let first = rest[entity]?.first {
                    after = first.predecessor
                } else if rest[entity] == nil, root.isLive, let mark = marks[entity] {
                    after = max(known, mark)
                }
            }
            return SessionRecord.Root(entity: entity, after: after, seen: root.seen)
        }
        return record
    }
}

extension EventNumber {
    /// The number before which everything comes before this event; no event need have it.
    fileprivate var predecessor: EventNumber {
        if ordinal > 0 { return EventNumber(index: index, ordinal: ordinal - 1) }
        guard index.rawValue > 0 else { return .zero }
        return EventNumber(index: LogIndex(rawValue: index.rawValue - 1), ordinal: .max)
    }
}

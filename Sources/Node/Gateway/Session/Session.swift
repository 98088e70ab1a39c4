import DequeModule
import Domain
import Identity
import NIOCore
import Wire

/// Where a session's dispatches go while a client is connected.
protocol SessionSink: AnyObject {
    /// Queues a dispatch for the connection's next write.
    func deliver(_ dispatch: Dispatch, sequence: Int)
    /// The session is gone; the client may identify again on its connection.
    func invalidated()
    /// The session is gone, and its connection with it.
    func close(_ code: GatewayCloseCode)
}

/// One identified session: it numbers dispatches, keeps those that may be asked for again, and outlives connections.
/// Confined to one loop.
final class Session {
    /// What is fixed when the session begins; it goes along when the session moves.
    struct Identity: Hashable {
        var id: SessionID
        var actor: Actor
        /// All bits for user accounts.
        var intents: UInt64
        var version: Int
        var shard: Int
        var shardCount: Int
        /// READY says the shard only to those that named one.
        var isSharded: Bool
        var largeThreshold: Int
    }

    /// How far a session is with one of its guilds.
    enum GuildProgress {
        /// Its snapshot is on the way. With a number, the session has had everything up to it.
        case attaching(after: EventNumber?)
        /// Events up to the snapshot are being fetched; what came since is held back, as the session is to get it.
        case catchingUp(after: EventNumber, held: [Dispatch])
        case live
        /// The guild has removed the member; the user's own event of it is to come.
        case left
    }

    /// A guild's channels as a session saw them before it moved, and how they differ in the snapshot here: permissions
    /// may have changed in between, which no event of a channel's own tells.
    struct SeenChannels {
        var channels: Set<ChannelID>
        /// Visible by the snapshot, and not before.
        var appeared: [ChannelView] = []
        /// Visible before, and there but not visible by the snapshot.
        var vanished: [ChannelView] = []
    }

    /// How long a session waits for its client to come back.
    static let resumeWindow = TimeAmount.minutes(5)
    /// The most events held back for one root entity while older ones are fetched.
    static let maximumHeld = 4096

    let identity: Identity
    var id: SessionID { identity.id }
    var userID: UserID { identity.actor.userID }
    var intents: UInt64 { identity.intents }

    private(set) var sequence: Int
    var replay: ReplayBuffer
    var guilds: [GuildID: GuildProgress] = [:]
    /// How far the session is with its user's own events.
    var userProgress: GuildProgress
    /// What was visible of each guild where the session comes from, until it has caught up here.
    var seen: [GuildID: SeenChannels] = [:]
    /// Events of the user that wait behind older ones, which are being fetched.
    var heldUserEvents: [(event: Event, number: EventNumber?)] = []
    /// The host's tag of the snapshot or fetch that is not answered, by root entity.
    var awaited: [RootEntity: UInt64] = [:]
    /// Where the session is journaled, and its number there; absent while no buddy has it.
    var journal: SessionJournal?
    var journalNumber: UInt32 = 0
    /// The sequence number at the last change of what the session follows or sees: before it, its state is not known
    /// any more.
    var settledSequence: Int
    /// How often the session was rebuilt after a crash: the highest is the one that counts.
    var generation = 0
    /// The gateway was cut off or stood still with it: others may have taken it for lost and rebuilt it, so that they are
    /// asked before its client goes on with it.
    var isDoubtful = false
    /// READY has been sent.
    var isReady = false
    /// Let go of by ``detach(now:)``, which a connection calls when it closes; not weak, which each delivery would pay for.
    var sink: (any SessionSink)?
    /// READY's `resume_gateway_url`.
    var resumeURL = ""
    /// Since when no client is connected.
    var detachedAt: NIODeadline?
    /// Requests for members that wait for the one that is being answered.
    var memberQueue: Deque<MemberRequest> = []
    var isReadingMembers = false
    /// Guilds of which all members were asked for, with the time: once in 30 s.
    var memberRequests: [GuildID: NIODeadline] = [:]

    init(identity: Identity, sequence: Int = 0, replay: ReplayBuffer = ReplayBuffer(), userAfter: EventNumber? = nil) {
        self.identity = identity
        self.sequence = sequence
        self.replay = replay
        settledSequence = sequence
        userProgress = .attaching(after: userAfter)
    }

    /// Whether the session's shard has this guild (Discord, "Sharding").
    func serves(_ guild: GuildID) -> Bool {
        (guild.rawValue >> 22) % UInt64(identity.shardCount) == UInt64(identity.shard)
    }

    /// Numbers a dispatch and sends it, now or at the next RESUME.
    func dispatch(_ dispatch: Dispatch, now: NIODeadline) {
        sequence += 1
        replay.append(dispatch, sequence: sequence, now: now)
        journal?.sent(dispatch.cause, self)
        switch dispatch.cause {
        case .channel, .shift: settledSequence = sequence
        case .event, .other: break
        }
        sink?.deliver(dispatch, sequence: sequence)
    }

    /// Sends again what followed `after`, then RESUMED. `false` when that cannot be done.
    func resume(after: Int, sink: any SessionSink, now: NIODeadline) -> Bool {
        guard after <= sequence, let missed = replay.after(after) else { return false }
        replay.acknowledge(after)
        self.sink = sink
        detachedAt = nil
        for delivery in missed { sink.deliver(delivery.dispatch, sequence: delivery.sequence) }
        dispatch(Dispatch(type: "RESUMED", payload: ByteBuffer(string: #"{"_trace":[]}"#)), now: now)
        return true
    }

    func detach(now: NIODeadline) {
        sink = nil
        detachedAt = now
    }

    /// Whether another copy of the session, rebuilt while this one was cut off or the one that was, is to give way.
    func supersedes(_ record: SessionRecord) -> Bool {
        if generation != record.generation { return generation > record.generation }
        return record.isDoubtful && !isDoubtful
    }

    /// Whether the client may still come back.
    func isResumable(now: NIODeadline) -> Bool {
        guard let detachedAt else { return true }
        return now - detachedAt < Session.resumeWindow
    }
}

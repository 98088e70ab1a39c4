import DequeModule
import Identity
import NIOCore
import Wire

/// What a gateway follows, at which guild nodes, and how far it is: the protocol of event streams, without I/O.
///
/// Each root entity is subscribed to once, at the primary of its slot, whatever the number of sessions and loops; one
/// stream a guild node carries them all. A subscription has a position, the number of its last durable event. An event
/// that names a predecessor beyond the position shows a gap: what is missing is fetched, and all that follows waits,
/// snapshots included, so that loops see one unbroken order. When the stream is lost or the slot moves, the entity is
/// subscribed to again after its position; where the node's ring does not reach back so far, the entity's sessions are
/// told so, for they must identify again (DESIGN §10: never a silent loss).
struct RootFollower {
    /// The most items that wait behind a fetch; beyond it the entity counts as lost.
    static let maximumHeld = 16_384
    /// Before a subscription or a stream is tried again: at first, and at most. A slot changes its primary within
    /// seconds, and each change of its row is an attempt of its own.
    static let firstRetry = TimeAmount.milliseconds(20)
    static let lastRetry = TimeAmount.milliseconds(500)

    enum Action {
        /// Open a stream to the node; answered by ``opened(_:now:)`` or ``closed(_:now:)``.
        case open(NodeID)
        case send(NodeID, EventStreamRequest)
        case deliver(loop: Int, HostMessage)
    }

    enum Phase {
        /// Not subscribed: the stream is not open, or the slot has no primary that serves.
        case waiting(retryAt: NIODeadline)
        /// Subscribed under this tag, not confirmed.
        case subscribing(tag: UInt64)
        case live
        /// Events up to this number are being fetched under this tag.
        case fetching(tag: UInt64, through: EventNumber)
        /// Lost or unknown: what comes is ignored until the loops let go.
        case dead
    }

    struct Request {
        var loop: Int
        var loopTag: UInt64
        var message: EventStreamRequest
    }

    struct Followed {
        var loops: [Int: UInt64] = [:]
        var node: NodeID?
        var phase: Phase
        var position: EventNumber?
        var retry = RootFollower.firstRetry
        /// Items that wait behind a fetch.
        var held: Deque<EventStreamItem> = []
        /// Snapshots and fetches that are not answered, by our tag, ascending.
        var requests: [(tag: UInt64, request: Request)] = []
        var intents: UInt64 { loops.values.reduce(0, |) }
    }

    private enum Stream {
        case opening
        case open
        case broken(retryAt: NIODeadline, retry: TimeAmount)
    }

    var roots: [RootEntity: Followed] = [:]
    /// Those whose phase is `waiting`.
    private var waiting: Set<RootEntity> = []
    private var streams: [NodeID: Stream] = [:]
    private var nextTag: UInt64 = 1
    var actions: [Action] = []
    /// The primary of a slot as this process knows it.
    private let primary: @Sendable (Slot) -> NodeID?

    init(primary: @escaping @Sendable (Slot) -> NodeID?) { self.primary = primary }

    var followedCount: Int { roots.count }

    mutating func takeActions() -> [Action] {
        defer { actions.removeAll(keepingCapacity: true) }
        return actions
    }

    mutating func tag() -> UInt64 {
        nextTag += 1
        return nextTag
    }

    // MARK: Loops

    mutating func request(_ request: FollowRequest, loop: Int, now: NIODeadline) {
        switch request {
        case .follow(let root, let intents):
            var followed = roots[root] ?? Followed(phase: .waiting(retryAt: now))
            let before = followed.intents
            followed.loops[loop, default: 0] |= intents
            // A dead entity comes to life again for those who ask anew.
            if case .dead = followed.phase {
                followed = Followed(loops: [loop: intents], phase: .waiting(retryAt: now))
            }
            roots[root] = followed
            switch followed.phase {
            case .waiting:
                waiting.insert(root)
                subscribe(root, now: now)
            case .live, .subscribing, .fetching:
                if followed.intents != before, let node = followed.node {
                    // From now on: what the narrower interest covered has been sent before the answer.
                    send(
                        node, .subscribe(root: root, after: nil, intents: followed.intents, tag: tag()))
                }
            case .dead: break
            }
        case .unfollow(let root):
            guard var followed = roots[root] else { return }
            followed.loops[loop] = nil
            followed.requests.removeAll { $0.request.loop == loop }
            guard followed.loops.isEmpty else {
                roots[root] = followed
                return
            }
            roots[root] = nil
            waiting.remove(root)
            if let node = followed.node { send(node, .unsubscribe(root: root)) }
        case .snapshot(let root, let user, let loopTag):
            let tag = tag()
            ask(root, .snapshot(root: root, user: user, tag: tag), tag, loop, loopTag)
        case .fetch(let root, let after, let through, let loopTag):
            let tag = tag()
            ask(root, .fetch(root: root, after: after, through: through, tag: tag), tag, loop, loopTag)
        }
    }

    private mutating func ask(
        _ root: RootEntity, _ message: EventStreamRequest, _ tag: UInt64, _ loop: Int, _ loopTag: UInt64
    ) {
        guard var followed = roots[root] else { return }
        if case .dead = followed.phase {
            actions.append(.deliver(loop: loop, .unknown(root: root, tag: loopTag)))
            return
        }
        followed.requests.append((tag, Request(loop: loop, loopTag: loopTag, message: message)))
        roots[root] = followed
        // Behind the subscription on the same stream, so that the answer comes behind it as well.
        if let node = followed.node { send(node, message) }
    }

    // MARK: Streams

    mutating func send(_ node: NodeID, _ request: EventStreamRequest) {
        guard case .open? = streams[node] else { return }
        actions.append(.send(node, request))
    }

    private mutating func subscribe(_ root: RootEntity, now: NIODeadline) {
        guard var followed = roots[root] else { return }
        guard let node = primary(root.slot) else {
            followed.phase = .waiting(retryAt: now + followed.retry)
            roots[root] = followed
            return
        }
        switch streams[node] {
        case .open?:
            let tag = tag()
            waiting.remove(root)
            followed.node = node
            followed.phase = .subscribing(tag: tag)
            followed.held.removeAll()
            roots[root] = followed
            send(node, .subscribe(root: root, after: followed.position, intents: followed.intents, tag: tag))
            askAgain(root, at: node)
        case nil:
            streams[node] = .opening
            actions.append(.open(node))
            fallthrough
        case .opening?, .broken?:
            followed.phase = .waiting(retryAt: .distantFuture)
            followed.node = nil
            roots[root] = followed
        }
    }

    /// Repeats what is not answered, behind the new subscription. Under new tags: an answer that is still on its way
    /// stands in the order of the earlier one, and would leave out what lies between the two.
    private mutating func askAgain(_ root: RootEntity, at node: NodeID) {
        guard let requests = roots[root]?.requests else { return }
        let again = requests.map { _, request in
            let tag = tag()
            var request = request
            request.message = request.message.tagged(tag)
            return (tag: tag, request: request)
        }
        roots[root]?.requests = again
        for (_, request) in again { send(node, request.message) }
    }

    mutating func opened(_ node: NodeID, now: NIODeadline) {
        streams[node] = .open
        subscribeWaiting(now: now) { $0 == node }
    }

    /// The stream ended, or could not be opened.
    mutating func closed(_ node: NodeID, now: NIODeadline) {
        var retry = RootFollower.firstRetry
        if case .broken(_, let last)? = streams[node] { retry = last }
        streams[node] = .broken(retryAt: now + retry, retry: min(retry * 2, RootFollower.lastRetry))
        for (root, followed) in roots where followed.node == node { detach(root, retryAt: .distantFuture) }
    }

    mutating func detach(_ root: RootEntity, retryAt: NIODeadline) {
        guard var followed = roots[root] else { return }
        followed.node = nil
        followed.held.removeAll()
        if case .dead = followed.phase { return }
        followed.phase = .waiting(retryAt: retryAt)
        roots[root] = followed
        waiting.insert(root)
    }

    private mutating func subscribeWaiting(now: NIODeadline, where isWanted: (NodeID?) -> Bool) {
        for root in waiting where isWanted(primary(root.slot)) { subscribe(root, now: now) }
    }

    /// The shard map or the nodes changed: what waits is tried at once, and what is served elsewhere moves.
    mutating func mapChanged(now: NIODeadline) {
        for (root, followed) in roots {
            guard let node = followed.node, let target = primary(root.slot), node != target else { continue }
            send(node, .unsubscribe(root: root))
            detach(root, retryAt: now)
        }
        subscribeWaiting(now: now) { $0 != nil }
    }

    /// A node has come, or come again: a stream to it need not wait.
    mutating func nodeChanged(_ node: NodeID, now: NIODeadline) {
        // One that is being opened has no time for the next attempt yet.
        if case .broken(let retryAt, let retry)? = streams[node], retryAt != .distantFuture {
            streams[node] = .broken(retryAt: now, retry: retry)
        }
        mapChanged(now: now)
        tick(now: now)
    }

    /// A row or node changed that concerns one slot only.
    mutating func rowChanged(_ slot: Slot, now: NIODeadline) {
        guard let target = primary(slot) else { return }
        for (root, followed) in roots where root.slot == slot {
            if let node = followed.node, node != target {
                send(node, .unsubscribe(root: root))
                detach(root, retryAt: now)
            }
            if followed.node != target { subscribe(root, now: now) }
        }
    }

    mutating func tick(now: NIODeadline) {
        for (node, stream) in streams {
            guard case .broken(let retryAt, let retry) = stream, retryAt <= now else { continue }
            guard waiting.contains(where: { primary($0.slot) == node }) else {
                streams[node] = nil
                continue
            }
            // Kept as broken until it opens, so that the pause grows.
            streams[node] = .broken(retryAt: .distantFuture, retry: retry)
            actions.append(.open(node))
        }
        for root in waiting {
            if case .waiting(let retryAt)? = roots[root]?.phase, retryAt <= now { subscribe(root, now: now) }
        }
    }
}

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
    /// Before a subscription or a stream is tried again: at first, and at most.
    static let firstRetry = TimeAmount.milliseconds(50)
    static let lastRetry = TimeAmount.seconds(2)

    enum Action {
        /// Open a stream to the node; answered by ``opened(_:now:)`` or ``closed(_:now:)``.
        case open(NodeID)
        case send(NodeID, EventStreamRequest)
        case deliver(loop: Int, HostMessage)
    }

    private enum Phase {
        /// Not subscribed: the stream is not open, or the slot has no primary that serves.
        case waiting(retryAt: NIODeadline)
        /// Subscribed under this tag, not confirmed.
        case subscribing(tag: UInt64)
        case live
        /// Events in between are being fetched under this tag.
        case fetching(tag: UInt64)
        /// Lost or unknown: what comes is ignored until the loops let go.
        case dead
    }

    private struct Request {
        var loop: Int
        var loopTag: UInt64
        var message: EventStreamRequest
    }

    private struct Followed {
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

    private var roots: [RootEntity: Followed] = [:]
    /// Those whose phase is `waiting`.
    private var waiting: Set<RootEntity> = []
    private var streams: [NodeID: Stream] = [:]
    private var nextTag: UInt64 = 1
    private(set) var actions: [Action] = []
    /// The primary of a slot as this process knows it.
    private let primary: @Sendable (Slot) -> NodeID?

    init(primary: @escaping @Sendable (Slot) -> NodeID?) { self.primary = primary }

    var followedCount: Int { roots.count }

    mutating func takeActions() -> [Action] {
        defer { actions.removeAll(keepingCapacity: true) }
        return actions
    }

    private mutating func tag() -> UInt64 {
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

    private mutating func send(_ node: NodeID, _ request: EventStreamRequest) {
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
            for (_, request) in followed.requests { send(node, request.message) }
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

    private mutating func detach(_ root: RootEntity, retryAt: NIODeadline) {
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

    // MARK: Items

    mutating func received(_ item: EventStreamItem, from node: NodeID, now: NIODeadline) {
        guard let root = item.root, let followed = roots[root], followed.node == node else { return }
        switch followed.phase {
        case .waiting, .dead: return
        case .fetching(let tag): held(item, root, tag, now: now)
        case .subscribing(let tag): confirmed(item, root, tag, now: now)
        case .live: handle(item, root, now: now)
        }
    }

    /// While events are fetched, everything but the answer waits.
    private mutating func held(_ item: EventStreamItem, _ root: RootEntity, _ tag: UInt64, now: NIODeadline) {
        switch item {
        case .fetched(_, let events, tag):
            guard var followed = roots[root] else { return }
            let held = followed.held
            followed.held.removeAll()
            followed.phase = .live
            roots[root] = followed
            for event in events { advance(event.event, event.number, root) }
            for item in held {
                guard let node = roots[root]?.node else { return }
                received(item, from: node, now: now)
            }
        case .gap(_, tag): lost(root)
        case .moved: moved(root, now: now)
        default:
            roots[root]?.held.append(item)
            if (roots[root]?.held.count ?? 0) > RootFollower.maximumHeld { lost(root) }
        }
    }

    /// Until the subscription stands, only its answer counts: events before it belong to an earlier one.
    private mutating func confirmed(_ item: EventStreamItem, _ root: RootEntity, _ tag: UInt64, now: NIODeadline) {
        switch item {
        case .subscribed(_, let position, tag):
            guard var followed = roots[root] else { return }
            followed.phase = .live
            followed.retry = RootFollower.firstRetry
            let known = followed.position
            followed.position = known ?? position
            roots[root] = followed
            // Events between what we had and where the subscription begins are not sent by themselves.
            if let known, known < position { fetch(root, through: position) }
        case .gap(_, tag): lost(root)
        case .moved: moved(root, now: now)
        case .unknown(_, let itemTag) where itemTag == tag: gone(root)
        case .event, .subscribed, .gap: break
        case .snapshot, .fetched, .unknown: handle(item, root, now: now)
        }
    }

    private mutating func handle(_ item: EventStreamItem, _ root: RootEntity, now: NIODeadline) {
        switch item {
        case .event(let event, let number, let previous):
            guard let number else { return deliver(.event(event, number: nil), root) }
            if let previous, let position = roots[root]?.position, previous > position {
                roots[root]?.held = [item]
                return fetch(root, through: previous)
            }
            advance(event, number, root)
        case .subscribed(_, let position, _):
            // The interest was widened; what lies between did not meet the narrower one.
            if let known = roots[root]?.position, known < position { roots[root]?.position = position }
        case .snapshot(_, let number, let body, let tag):
            guard let request = answered(root, tag) else { return }
            let message = HostMessage.snapshot(root: root, number: number, body: body, tag: request.loopTag)
            actions.append(.deliver(loop: request.loop, message))
        case .fetched(_, let events, let tag):
            guard let request = answered(root, tag) else { return }
            let message = HostMessage.fetched(root: root, events: events, tag: request.loopTag)
            actions.append(.deliver(loop: request.loop, message))
        case .gap(_, let tag):
            guard let request = answered(root, tag) else { return }
            actions.append(.deliver(loop: request.loop, .gap(root: root, tag: request.loopTag)))
        case .unknown(_, let tag):
            guard let request = answered(root, tag) else { return }
            actions.append(.deliver(loop: request.loop, .unknown(root: root, tag: request.loopTag)))
        case .moved: moved(root, now: now)
        }
    }

    private mutating func answered(_ root: RootEntity, _ tag: UInt64) -> Request? {
        guard let index = roots[root]?.requests.firstIndex(where: { $0.tag == tag }) else { return nil }
        return roots[root]?.requests.remove(at: index).request
    }

    private mutating func advance(_ event: Event, _ number: EventNumber, _ root: RootEntity) {
        // One that came twice, over two subscriptions, is old.
        if let position = roots[root]?.position, number <= position { return }
        roots[root]?.position = number
        deliver(.event(event, number: number), root)
    }

    private mutating func fetch(_ root: RootEntity, through: EventNumber) {
        guard let followed = roots[root], let node = followed.node, let position = followed.position else { return }
        let tag = tag()
        roots[root]?.phase = .fetching(tag: tag)
        send(node, .fetch(root: root, after: position, through: through, tag: tag))
    }

    private mutating func moved(_ root: RootEntity, now: NIODeadline) {
        guard var followed = roots[root] else { return }
        let retryAt = now + followed.retry
        followed.retry = min(followed.retry * 2, RootFollower.lastRetry)
        roots[root] = followed
        detach(root, retryAt: retryAt)
    }

    private mutating func deliver(_ message: HostMessage, _ root: RootEntity) {
        guard let loops = roots[root]?.loops else { return }
        for loop in loops.keys { actions.append(.deliver(loop: loop, message)) }
    }

    private mutating func lost(_ root: RootEntity) {
        guard let followed = roots[root] else { return }
        if let node = followed.node { send(node, .unsubscribe(root: root)) }
        deliver(.lost(root: root), root)
        roots[root]?.phase = .dead
        roots[root]?.node = nil
        roots[root]?.held.removeAll()
        roots[root]?.requests.removeAll()
    }

    /// The entity does not exist: whoever asked for a snapshot hears it.
    private mutating func gone(_ root: RootEntity) {
        guard let followed = roots[root] else { return }
        for (_, request) in followed.requests {
            actions.append(.deliver(loop: request.loop, .unknown(root: root, tag: request.loopTag)))
        }
        roots[root]?.phase = .dead
        roots[root]?.node = nil
        roots[root]?.requests.removeAll()
    }
}

extension EventStreamItem {
    /// The entity that the item is about.
    var root: RootEntity? {
        switch self {
        case .event(let event, _, _): event.root
        case .subscribed(let root, _, _), .gap(let root, _), .snapshot(let root, _, _, _), .fetched(let root, _, _),
            .moved(let root, _, _), .unknown(let root, _):
            root
        }
    }
}

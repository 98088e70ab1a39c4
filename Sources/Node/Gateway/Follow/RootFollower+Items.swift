import Identity
import NIOCore
import Wire

/// What guild nodes say, in the order of their streams.
extension RootFollower {
    mutating func received(_ item: EventStreamItem, from node: NodeID, now: NIODeadline) {
        guard let root = item.root, let followed = roots[root], followed.node == node else { return }
        switch followed.phase {
        case .waiting, .dead: return
        case .fetching(let tag, let through): held(item, root, tag, through, now: now)
        case .subscribing(let tag): confirmed(item, root, tag, now: now)
        case .live: handle(item, root, now: now)
        }
    }

    /// While events are fetched, everything but the answer waits.
    private mutating func held(
        _ item: EventStreamItem, _ root: RootEntity, _ tag: UInt64, _ through: EventNumber, now: NIODeadline
    ) {
        switch item {
        case .fetched(_, let events, tag):
            guard var followed = roots[root] else { return }
            let held = followed.held
            followed.held.removeAll()
            followed.phase = .live
            roots[root] = followed
            for event in events { advance(event.event, event.number, root) }
            // What the answer leaves out met no interest: asked for again, it would be left out again.
            if let position = roots[root]?.position, position < through { roots[root]?.position = through }
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

    /// Until the subscription stands, only its answer counts: all before it belongs to an earlier one.
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
        case .event, .subscribed, .gap, .snapshot, .fetched, .unknown: break
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
        roots[root]?.phase = .fetching(tag: tag, through: through)
        send(node, .fetch(root: root, after: position, through: through, tag: tag))
    }

    private mutating func moved(_ root: RootEntity, now: NIODeadline) {
        guard var followed = roots[root] else { return }
        let retryAt = now + followed.retry
        followed.retry = min(followed.retry * 2, RootFollower.lastRetry)
        roots[root] = followed
        // It may have been about one request alone, and the node go on sending.
        if let node = followed.node { send(node, .unsubscribe(root: root)) }
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

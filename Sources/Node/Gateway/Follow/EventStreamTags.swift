import Identity
import Wire

extension EventStreamRequest {
    /// The same request under another tag.
    func tagged(_ tag: UInt64) -> EventStreamRequest {
        switch self {
        case .subscribe(let root, let after, let intents, _):
            .subscribe(root: root, after: after, intents: intents, tag: tag)
        case .unsubscribe: self
        case .snapshot(let root, let user, _): .snapshot(root: root, user: user, tag: tag)
        case .fetch(let root, let after, let through, _):
            .fetch(root: root, after: after, through: through, tag: tag)
        }
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

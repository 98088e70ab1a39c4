import Identity
import NIOCore
import Wire

/// What the follower tells a loop about a root entity, in the entity's order.
enum HostMessage: Sendable {
    case event(Event, number: EventNumber?)
    case snapshot(root: RootEntity, number: EventNumber, body: ByteBuffer, tag: UInt64)
    case fetched(root: RootEntity, events: [NumberedEvent], tag: UInt64)
    case gap(root: RootEntity, tag: UInt64)
    case unknown(root: RootEntity, tag: UInt64)
    /// Events were lost and cannot be had again: every session of the entity must identify again.
    case lost(root: RootEntity)

    /// About how many bytes it holds.
    var weight: Int {
        switch self {
        case .event(let event, _): 256 + event.weight
        case .snapshot(_, _, let body, _): 256 + body.readableBytes
        case .fetched(_, let events, _): events.reduce(256) { $0 + $1.event.weight }
        case .gap, .unknown, .lost: 64
        }
    }
}

extension Event {
    fileprivate var weight: Int { payload.readableBytes + (redactedPayload?.readableBytes ?? 0) }
}

/// What a loop asks of the follower.
enum FollowRequest: Sendable {
    case follow(root: RootEntity, intents: UInt64)
    case unfollow(root: RootEntity)
    case snapshot(root: RootEntity, user: UserID, tag: UInt64)
    case fetch(root: RootEntity, after: EventNumber, through: EventNumber, tag: UInt64)
}

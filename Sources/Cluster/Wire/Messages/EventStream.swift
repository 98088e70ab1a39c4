import Identity
import NIOCore

/// What a gateway says to a guild node on their event stream (DESIGN §10). One stream a pair of nodes carries all
/// root entities that the gateway follows there.
public enum EventStreamRequest: Hashable, Sendable, FieldCodable {
    /// Send the entity's events from now on, or those after a number, when the ring still holds them.
    /// Answered by ``EventStreamItem/subscribed(root:position:tag:)``, `gap`, `moved` or `failed`.
    /// Repeating it changes the interest.
    case subscribe(root: RootEntity, after: EventNumber?, intents: UInt64, tag: UInt64)
    case unsubscribe(root: RootEntity)
    /// Ask for a ``GuildSnapshot`` (that has `user` among its members) or ``UserSnapshot``. The answer comes in order:
    /// it contains all events sent before it and none sent after it.
    case snapshot(root: RootEntity, user: UserID, tag: UInt64)
    /// Ask for the events in (after, through], for a session that is behind the gateway's position.
    case fetch(root: RootEntity, after: EventNumber, through: EventNumber, tag: UInt64)

    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .subscribe(let root, let after, let intents, let tag):
            writer.write(1) {
                root.write(to: &$0, guild: 1, user: 2)
                if let after { $0.write(3, after) }
                $0.write(4, intents)
                $0.write(5, tag)
            }
        case .unsubscribe(let root):
            writer.write(2) { root.write(to: &$0, guild: 1, user: 2) }
        case .snapshot(let root, let user, let tag):
            writer.write(3) {
                root.write(to: &$0, guild: 1, user: 2)
                $0.write(6, user)
                $0.write(5, tag)
            }
        case .fetch(let root, let after, let through, let tag):
            writer.write(4) {
                root.write(to: &$0, guild: 1, user: 2)
                $0.write(3, after)
                $0.write(7, through)
                $0.write(5, tag)
            }
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        guard let field = try reader.next() else { throw .missingField(1) }
        let fields = try EventStreamFields(field.message())
        let root = try fields.root.required(1)
        switch field.number {
        case 1:
            self = .subscribe(root: root, after: fields.after, intents: fields.intents, tag: fields.tag)
        case 2: self = .unsubscribe(root: root)
        case 3: self = .snapshot(root: root, user: try fields.user.required(6), tag: fields.tag)
        case 4:
            self = .fetch(
                root: root, after: try fields.after.required(3), through: try fields.through.required(7),
                tag: fields.tag)
        default: throw .invalidField(field.number)
        }
    }
}

/// What a guild node says to a gateway.
public enum EventStreamItem: Hashable, Sendable, FieldCodable {
    /// An event. `number` is absent for ephemeral ones (typing). `previous` is the number of the one sent to this
    /// gateway for this root before it: where it is not the gateway's position, something is missing, and is fetched.
    case event(Event, number: EventNumber?, previous: EventNumber?)
    /// The subscription stands: every durable event after `position` that meets the interest follows.
    case subscribed(root: RootEntity, position: EventNumber, tag: UInt64)
    /// The ring does not reach back to the number asked for: affected sessions must identify again.
    case gap(root: RootEntity, tag: UInt64)
    /// A ``GuildSnapshot`` or ``UserSnapshot`` as of `number`.
    case snapshot(root: RootEntity, number: EventNumber, body: ByteBuffer, tag: UInt64)
    /// The events asked for by `fetch`, in order.
    case fetched(root: RootEntity, events: [NumberedEvent], tag: UInt64)
    /// The entity's slot is not served here any more; subscribe at its new primary.
    case moved(root: RootEntity, epoch: Epoch, tag: UInt64)
    /// The entity does not exist, or the user is not a member of it.
    case unknown(root: RootEntity, tag: UInt64)

    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .event(let event, let number, let previous):
            writer.write(1) {
                $0.write(8, event)
                if let previous { $0.write(3, previous) }
                if let number { $0.write(7, number) }
            }
        case .subscribed(let root, let position, let tag):
            writer.write(2) {
                root.write(to: &$0, guild: 1, user: 2)
                $0.write(3, position)
                $0.write(5, tag)
            }
        case .gap(let root, let tag):
            writer.write(3) {
                root.write(to: &$0, guild: 1, user: 2)
                $0.write(5, tag)
            }
        case .snapshot(let root, let number, let body, let tag):
            writer.write(4) {
                root.write(to: &$0, guild: 1, user: 2)
                $0.write(3, number)
                $0.write(9, body)
                $0.write(5, tag)
            }
        case .fetched(let root, let events, let tag):
            writer.write(5) {
                root.write(to: &$0, guild: 1, user: 2)
                for event in events { $0.write(10, event) }
                $0.write(5, tag)
            }
        case .moved(let root, let epoch, let tag):
            writer.write(6) {
                root.write(to: &$0, guild: 1, user: 2)
                $0.write(11, epoch)
                $0.write(5, tag)
            }
        case .unknown(let root, let tag):
            writer.write(7) {
                root.write(to: &$0, guild: 1, user: 2)
                $0.write(5, tag)
            }
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        guard let field = try reader.next() else { throw .missingField(1) }
        let fields = try EventStreamFields(field.message())
        if field.number == 1 {
            self = .event(try fields.event.required(8), number: fields.through, previous: fields.after)
            return
        }
        let root = try fields.root.required(1)
        switch field.number {
        case 2: self = .subscribed(root: root, position: try fields.after.required(3), tag: fields.tag)
        case 3: self = .gap(root: root, tag: fields.tag)
        case 4:
            self = .snapshot(
                root: root, number: try fields.after.required(3), body: try fields.body.required(9), tag: fields.tag)
        case 5: self = .fetched(root: root, events: fields.events, tag: fields.tag)
        case 6: self = .moved(root: root, epoch: fields.epoch, tag: fields.tag)
        case 7: self = .unknown(root: root, tag: fields.tag)
        default: throw .invalidField(field.number)
        }
    }
}

extension EventStreamItem {
    /// The encoding of ``event(_:number:previous:)`` around an event that is encoded already.
    public static func encodedEvent(_ event: ByteBuffer, number: EventNumber?, previous: EventNumber?) -> ByteBuffer {
        var writer = FieldWriter()
        writer.write(1) {
            $0.write(8, event)
            if let previous { $0.write(3, previous) }
            if let number { $0.write(7, number) }
        }
        return writer.buffer
    }
}

/// A durable event with its number.
public struct NumberedEvent: Hashable, Sendable, FieldCodable {
    public var number: EventNumber
    public var event: Event

    public init(number: EventNumber, event: Event) {
        self.number = number
        self.event = event
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, number)
        writer.write(2, event)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var number: EventNumber?
        var event: Event?
        while let field = try reader.next() {
            switch field.number {
            case 1: number = try field.message()
            case 2: event = try field.message()
            default: break
            }
        }
        self.init(number: try number.required(1), event: try event.required(2))
    }
}

extension EventNumber: FieldCodable {
    public func encode(into writer: inout FieldWriter) {
        writer.write(1, index)
        if ordinal != 0 { writer.write(2, UInt64(ordinal)) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self = .zero
        while let field = try reader.next() {
            switch field.number {
            case 1: index = try field.logIndex()
            case 2:
                guard let value = UInt32(exactly: try field.uint64()) else { throw .invalidField(2) }
                ordinal = value
            default: break
            }
        }
    }
}

/// The fields that the stream's messages share.
private struct EventStreamFields {
    var root: RootEntity?
    var after: EventNumber?
    var intents: UInt64 = 0
    var tag: UInt64 = 0
    var user: UserID?
    var through: EventNumber?
    var event: Event?
    var body: ByteBuffer?
    var events: [NumberedEvent] = []
    var epoch = Epoch.zero

    init(_ reader: FieldReader) throws(FieldError) {
        var reader = reader
        while let field = try reader.next() {
            switch field.number {
            case 1: root = .guild(try field.id())
            case 2: root = .user(try field.id())
            case 3: after = try field.message()
            case 4: intents = try field.uint64()
            case 5: tag = try field.uint64()
            case 6: user = try field.id()
            case 7: through = try field.message()
            case 8: event = try field.message()
            case 9: body = try field.bytes()
            case 10: events.append(try field.message())
            case 11: epoch = try field.epoch()
            default: break
            }
        }
    }
}

import Identity
import NIOCore

/// Something that happened in a root entity, as it lies in a log entry and travels to the gateways.
///
/// `payload` is the JSON of the dispatch's `d`, encoded once at the owner; everybody behind shares its bytes.
public struct Event: Hashable, Sendable, FieldCodable {
    /// The dispatch's `t`, such as `MESSAGE_CREATE`; empty when the event only carries a ``change`` for gateways.
    public var type: String
    public var root: RootEntity
    public var audience: Audience
    /// Gateway intents of which a session needs at least one; 0 when every session gets the event.
    public var intents: UInt64
    public var payload: ByteBuffer
    /// What sessions without the MESSAGE_CONTENT intent get instead, unless their user is in ``contentReaders``.
    public var redactedPayload: ByteBuffer?
    /// The author and those mentioned: they see content without the intent.
    public var contentReaders: [UserID]
    /// What a gateway's view of the entity learns by the event, in the same order as the events that it filters.
    public var change: ViewChange?
    /// With an audience of a channel: the permissions that a session's user needs there besides VIEW_CHANNEL.
    public var neededPermissions: UInt64

    /// Who may get an event, among the sessions that the gateway holds for its root entity.
    public enum Audience: Hashable, Sendable {
        /// Every session of the entity.
        case root
        /// Sessions that have VIEW_CHANNEL in the channel.
        case channel(ChannelID)
        /// Sessions of one user.
        case user(UserID)
    }

    public init(
        type: String, root: RootEntity, audience: Audience = .root, intents: UInt64 = 0, payload: ByteBuffer,
        redactedPayload: ByteBuffer? = nil, contentReaders: [UserID] = [], change: ViewChange? = nil,
        neededPermissions: UInt64 = 0
    ) {
        self.type = type
        self.root = root
        self.audience = audience
        self.intents = intents
        self.payload = payload
        self.redactedPayload = redactedPayload
        self.contentReaders = contentReaders
        self.change = change
        self.neededPermissions = neededPermissions
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, type)
        root.write(to: &writer, guild: 2, user: 3)
        switch audience {
        case .root: break
        case .channel(let id): writer.write(4, id)
        case .user(let id): writer.write(5, id)
        }
        if intents != 0 { writer.write(6, intents) }
        writer.write(7, payload)
        if let redactedPayload { writer.write(8, PayloadDifference(from: payload, to: redactedPayload)) }
        for reader in contentReaders { writer.write(9, reader) }
        if let change { writer.write(10, change) }
        if neededPermissions != 0 { writer.write(11, neededPermissions) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var root: RootEntity?
        var redaction: PayloadDifference?
        self.init(type: "", root: .guild(GuildID(rawValue: 0)), payload: ByteBuffer())
        while let field = try reader.next() {
            switch field.number {
            case 1: type = try field.string()
            case 2: root = .guild(try field.id())
            case 3: root = .user(try field.id())
            case 4: audience = .channel(try field.id())
            case 5: audience = .user(try field.id())
            case 6: intents = try field.uint64()
            case 7: payload = try field.bytes()
            case 8: redaction = try field.message()
            case 9: contentReaders.append(try field.id())
            case 10: change = try field.message()
            case 11: neededPermissions = try field.uint64()
            default: break
            }
        }
        self.root = try root.required(2)
        if let redaction {
            redactedPayload = redaction.applied(to: payload)
            if redactedPayload == nil { throw .invalidField(8) }
        }
    }
}

extension RootEntity {
    public func write(to writer: inout FieldWriter, guild: Int, user: Int) {
        switch self {
        case .guild(let id): writer.write(guild, id)
        case .user(let id): writer.write(user, id)
        }
    }
}

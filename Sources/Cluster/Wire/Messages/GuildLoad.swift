import Identity

/// What one guild has done within some seconds, as the primary of its slot counted it.
public struct GuildLoad: Hashable, Sendable, FieldCodable {
    public var guild: GuildID
    /// Over how long it was counted.
    public var milliseconds: UInt64
    /// Durable events.
    public var events: UInt64
    /// Bytes of the entries that held them.
    public var writtenBytes: UInt64
    /// Event streams' subscriptions to the guild now: gateways with members of it.
    public var subscriptions: UInt64

    public init(guild: GuildID, milliseconds: UInt64, events: UInt64, writtenBytes: UInt64, subscriptions: UInt64) {
        self.guild = guild
        self.milliseconds = milliseconds
        self.events = events
        self.writtenBytes = writtenBytes
        self.subscriptions = subscriptions
    }

    public var eventsPerSecond: Double { perSecond(events) }
    public var writtenBytesPerSecond: Double { perSecond(writtenBytes) }

    private func perSecond(_ count: UInt64) -> Double { Double(count) * 1000 / Double(max(1, milliseconds)) }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, guild)
        writer.write(2, milliseconds)
        writer.write(3, events)
        writer.write(4, writtenBytes)
        writer.write(5, subscriptions)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var guild: GuildID?
        self.init(guild: GuildID(rawValue: 0), milliseconds: 0, events: 0, writtenBytes: 0, subscriptions: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: guild = try field.id()
            case 2: milliseconds = try field.uint64()
            case 3: events = try field.uint64()
            case 4: writtenBytes = try field.uint64()
            case 5: subscriptions = try field.uint64()
            default: break
            }
        }
        self.guild = try guild.required(1)
    }
}

import Identity
import NIOCore
import Wire

/// What a journal says of some sessions at once: what happened, and for each session its sequence number then.
///
/// Packed, since there is a pair for each delivery: a kind, a header, a count, and 12 bytes for each session
/// (PROTOCOL.md, "The gateways' journal").
struct JournalGroup: Hashable {
    enum Header: Hashable {
        /// The event was taken; the sequence number is that after it. It has no sessions when it went to none of them.
        case event(RootEntity, EventNumber)
        /// A channel came into sight or left it.
        case shift(GuildID, ChannelID, hasAppeared: Bool)
        /// Something was sent that cannot be had again.
        case other
        /// How far the sessions are with an entity; `nil` when they no longer follow it.
        case state(RootEntity, JournaledRoot?)
        /// The clients have received all up to the sequence number.
        case acknowledged
    }

    struct Entry: Hashable {
        /// The session's number in the journal.
        var session: UInt32
        var sequence: Int
    }

    /// Bytes of an entry.
    static let entrySize = 12

    var header: Header
    var entries: [Entry]
}

/// How far a journaled session is with a root entity.
struct JournaledRoot: Hashable {
    var after: EventNumber?
    var seen: [ChannelID]?
    var isLive: Bool
}

extension ByteBuffer {
    private enum Kind {
        static let event: UInt8 = 1
        static let shift: UInt8 = 2
        static let other: UInt8 = 3
        static let state: UInt8 = 4
        static let acknowledged: UInt8 = 5
    }

    private mutating func write(_ value: some FixedWidthInteger) { writeInteger(value, endianness: .little) }

    private mutating func write(_ root: RootEntity) {
        switch root {
        case .guild(let guild):
            write(UInt8(1))
            write(guild.rawValue)
        case .user(let user):
            write(UInt8(2))
            write(user.rawValue)
        }
    }

    private mutating func write(_ number: EventNumber) {
        write(number.index.rawValue)
        write(number.ordinal)
    }

    mutating func writeHeader(_ header: JournalGroup.Header) {
        switch header {
        case .event(let root, let number):
            write(Kind.event)
            write(root)
            write(number)
        case .shift(let guild, let channel, let hasAppeared):
            write(Kind.shift)
            write(guild.rawValue)
            write(channel.rawValue)
            write(UInt8(hasAppeared ? 1 : 0))
        case .other: write(Kind.other)
        case .state(let root, let state):
            write(Kind.state)
            write(root)
            // Gone, nothing yet, behind, live.
            write(UInt8(state.map { $0.after == nil ? 1 : $0.isLive ? 3 : 2 } ?? 0))
            write(state?.after ?? .zero)
            write(UInt8(state?.seen == nil ? 0 : 1))
            write(UInt32(state?.seen?.count ?? 0))
            for channel in state?.seen ?? [] { write(channel.rawValue) }
        case .acknowledged: write(Kind.acknowledged)
        }
    }

    mutating func writeEntry(session: UInt32, sequence: Int) {
        write(session)
        write(UInt64(sequence))
    }

    private mutating func read<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(FieldError) -> Value {
        guard let value = readInteger(endianness: .little, as: Value.self) else { throw .truncated }
        return value
    }

    private mutating func readRoot() throws(FieldError) -> RootEntity {
        switch try read(UInt8.self) {
        case 1: .guild(GuildID(rawValue: try read()))
        case 2: .user(UserID(rawValue: try read()))
        default: throw .invalidField(3)
        }
    }

    private mutating func readNumber() throws(FieldError) -> EventNumber {
        EventNumber(index: LogIndex(rawValue: try read()), ordinal: try read())
    }

    private mutating func readState() throws(FieldError) -> JournaledRoot? {
        let state = try read(UInt8.self)
        let number = try readNumber()
        let hasSeen = try read(UInt8.self) != 0
        let count = Int(try read(UInt32.self))
        guard state <= 3, count * 8 <= readableBytes else { throw .invalidField(3) }
        var seen: [ChannelID] = []
        seen.reserveCapacity(count)
        for _ in 0..<count { seen.append(ChannelID(rawValue: try read())) }
        guard state > 0 else { return nil }
        return JournaledRoot(
            after: state == 1 ? nil : number, seen: hasSeen ? seen : nil, isLive: state == 3)
    }

    private mutating func readHeader() throws(FieldError) -> JournalGroup.Header {
        switch try read(UInt8.self) {
        case Kind.event: .event(try readRoot(), try readNumber())
        case Kind.shift:
            .shift(
                GuildID(rawValue: try read()), ChannelID(rawValue: try read()),
                hasAppeared: try read(UInt8.self) != 0)
        case Kind.other: .other
        case Kind.state: .state(try readRoot(), try readState())
        case Kind.acknowledged: .acknowledged
        default: throw .invalidField(3)
        }
    }

    /// Reads the next group; `nil` at the end.
    mutating func readGroup() throws(FieldError) -> JournalGroup? {
        guard readableBytes > 0 else { return nil }
        let header = try readHeader()
        let count = Int(try read(UInt32.self))
        guard count * JournalGroup.entrySize <= readableBytes else { throw .truncated }
        var entries: [JournalGroup.Entry] = []
        entries.reserveCapacity(count)
        for _ in 0..<count {
            let session = try read(UInt32.self)
            guard let sequence = Int(exactly: try read(UInt64.self)) else { throw .invalidField(3) }
            entries.append(JournalGroup.Entry(session: session, sequence: sequence))
        }
        return JournalGroup(header: header, entries: entries)
    }
}

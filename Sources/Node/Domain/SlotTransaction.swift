import Identity
import NIOCore
import Wire

/// The column families of a slot's state (DESIGN §7).
public enum Family: UInt8, Sendable, CaseIterable {
    /// Guilds with their channels, roles, members and invites.
    case guild = 1
    case message = 2
    /// Users with their tokens and guild lists, and applications.
    case user = 3
    /// Names and other look-ups into entities.
    case index = 4
    /// The runtime's own: applied index, id mark, request ids, outbox, work.
    case meta = 5
}

/// Rows of one slot by family and key, as a command or an off-executor read sees them.
public protocol RowReader {
    func get(_ family: Family, _ key: [UInt8]) throws -> ByteBuffer?
    /// Calls `body` with the rows in [`from`, `upTo`) in key order, or in reverse, until it returns `false`.
    func scan(
        _ family: Family, from: [UInt8], upTo: [UInt8], reverse: Bool,
        _ body: (_ key: [UInt8], _ value: ByteBuffer) throws -> Bool) throws
}

/// What a command sees of its slot, and what it does to it; used on the slot's executor only.
///
/// Reads go through the overlay of the slot's uncommitted entries, so that commands may be pipelined. Writes, events,
/// effects and work become one log entry when the command returns; when it throws, nothing of it remains. The runtime
/// holds the reply until all that was read is committed. Keys do not contain the slot: the runtime puts it before them.
public protocol SlotTransaction: AnyObject, RowReader {
    var slot: Slot { get }
    var now: Timestamp { get }
    /// Decoded aggregates that the domain keeps between commands.
    var caches: SlotCaches { get }
    /// Secret shared by the cluster, that new tokens are signed with.
    var tokenSecret: TokenSecret { get }

    func put(_ family: Family, _ key: [UInt8], _ value: ByteBuffer)
    func delete(_ family: Family, _ key: [UInt8])
    /// Deletes all rows in [`from`, `upTo`).
    func deleteRange(_ family: Family, from: [UInt8], upTo: [UInt8])

    /// A new id with this slot, larger than all before it.
    func mint() throws(APIError) -> Snowflake
    /// Random bits for tokens and invite codes.
    func random() -> UInt64
    /// Sends an event to the gateways once the entry is committed. It gets a number.
    func emit(_ event: Event)
    /// Sends an event that is not kept: typing, presence. It gets no number and makes no log entry.
    func emitEphemeral(_ event: Event)
    /// Delivers `effect` to another slot, at least once and in order, applied once (DESIGN §6.8).
    func send(_ effect: Effect, to destination: Slot)
    /// Runs ``Work`` later as a command of its own, again after a restart: large fan-outs go step by step.
    func schedule(_ work: Work)
}

/// Values that the domain keeps decoded for one slot; dropped when the slot's primacy is lost or a command that had
/// written throws.
public final class SlotCaches {
    private var values: [ObjectIdentifier: AnyObject] = [:]

    public init() {}

    /// The slot's one cache of this type, made at first use.
    public func cache<Cache: AnyObject>(_ type: Cache.Type, make: () -> Cache) -> Cache {
        if let value = values[ObjectIdentifier(type)] { return unsafeDowncast(value, to: type) }
        let value = make()
        values[ObjectIdentifier(type)] = value
        return value
    }

    public func removeAll() { values.removeAll() }
}

/// Committed rows of one slot at one moment, readable on any thread.
public protocol CommittedReader: RowReader {}

import Identity
import NIOCore
import Wire

/// One entry of a slot's log: all that a command did, as one unit (DESIGN §6.1).
///
/// It is the only form in which changes travel to replicas and lie on disk before they are applied. Keys of rows do
/// not contain the slot: whoever applies an entry puts the entry's own slot before them, so that no entry can touch
/// another slot.
public struct Entry: Hashable, Sendable {
    /// The longest key of a row, in bytes.
    public static let maximumKeyLength = 1024
    /// Most bytes of an encoded entry. A command that makes more is refused; large work goes in steps.
    public static let maximumSize = 16 << 20

    /// One change of a row, or of a range of rows.
    public enum Operation: Hashable, Sendable {
        case put(family: UInt8, key: [UInt8], value: ByteBuffer)
        case delete(family: UInt8, key: [UInt8])
        /// All rows in [`from`, `upTo`).
        case deleteRange(family: UInt8, from: [UInt8], upTo: [UInt8])
    }

    /// What a slot remembers of a request, so that a retry gets the first one's answer (DESIGN §6.7).
    public enum RememberedReply: Hashable, Sendable {
        case inline(status: Int, body: ByteBuffer)
        /// A read operation that gives the answer again.
        case reference(status: Int, operation: String, parameters: [String: String])
        /// The command has written, and its answer waits for another slot. A retry runs the operation again with these
        /// parameters added to its own; without them the outcome stays unknown.
        case pending(resuming: [String: String]? = nil)
    }

    public struct Request: Hashable, Sendable {
        public var id: RequestID
        public var reply: RememberedReply

        public init(id: RequestID, reply: RememberedReply) {
            self.id = id
            self.reply = reply
        }
    }

    /// An effect on another slot: numbered for each (source slot and incarnation, destination) from 1, without gaps.
    public struct OutboxItem: Hashable, Sendable {
        public var destination: Slot
        public var number: UInt64
        /// The encoded effect.
        public var effect: ByteBuffer

        public init(destination: Slot, number: UInt64, effect: ByteBuffer) {
            self.destination = destination
            self.number = number
            self.effect = effect
        }
    }

    public var slot: Slot
    public var epoch: Epoch
    public var index: LogIndex
    /// When the command ran, by the primary's clock.
    public var time: Timestamp
    /// The largest id that the slot had minted when the command returned.
    public var idMark: Snowflake
    public var operations: [Operation] = []
    /// Encoded ``Event`` values; the place of each is its ordinal in its ``EventNumber``.
    public var events: [ByteBuffer] = []
    public var request: Request?
    public var outbox: [OutboxItem] = []
    /// What the primary knew to be committed when it made the entry: so far a replica that starts may apply its log
    /// without asking anybody.
    public var commitIndex: LogIndex = .zero

    public init(slot: Slot, epoch: Epoch, index: LogIndex, time: Timestamp, idMark: Snowflake) {
        self.slot = slot
        self.epoch = epoch
        self.index = index
        self.time = time
        self.idMark = idMark
    }

    /// Whether the entry changes nothing: the first of an epoch is such a one.
    public var isEmpty: Bool {
        operations.isEmpty && events.isEmpty && request == nil && outbox.isEmpty
    }
}

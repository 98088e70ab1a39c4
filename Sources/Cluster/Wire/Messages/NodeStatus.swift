import Identity
import NIOCore

/// What a guild node tells operators of itself, in answer to an empty call of the method `status`.
public struct NodeStatus: Hashable, Sendable, FieldCodable {
    public var slots: [SlotStatus]
    /// Bytes of entries that wait for the log's disk.
    public var logQueueBytes: Int
    /// Of the disk under the node's data; absent from nodes that do not watch it.
    public var disk: Disk?
    /// Those of its guilds that do the most.
    public var guilds: [GuildLoad] = []

    /// Bytes in use, and bytes that the node may still take.
    public struct Disk: Hashable, Sendable, FieldCodable {
        public var used: UInt64
        public var available: UInt64

        public init(used: UInt64, available: UInt64) {
            self.used = used
            self.available = available
        }

        public func encode(into writer: inout FieldWriter) {
            writer.write(1, used)
            writer.write(2, available)
        }

        public init(from reader: FieldReader) throws(FieldError) {
            var reader = reader
            self.init(used: 0, available: 0)
            while let field = try reader.next() {
                switch field.number {
                case 1: used = try field.uint64()
                case 2: available = try field.uint64()
                default: break
                }
            }
        }
    }

    public init(slots: [SlotStatus], logQueueBytes: Int) {
        self.slots = slots
        self.logQueueBytes = logQueueBytes
    }

    public func encode(into writer: inout FieldWriter) {
        for slot in slots { writer.write(1, slot) }
        writer.write(2, logQueueBytes)
        if let disk { writer.write(3, disk) }
        for guild in guilds { writer.write(4, guild) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(slots: [], logQueueBytes: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: slots.append(try field.message())
            case 2: logQueueBytes = try field.int()
            case 3: disk = try field.message()
            case 4: guilds.append(try field.message())
            default: break
            }
        }
    }
}

/// One slot on one of the nodes that hold it.
public struct SlotStatus: Hashable, Sendable, FieldCodable {
    public var slot: Slot
    public var epoch: Epoch
    public var isServing: Bool
    /// The last entry that has its place in the log.
    public var lastIndex: LogIndex
    public var appliedIndex: LogIndex
    public var pendingCommands: Int
    public var role: Role
    public var commitIndex: LogIndex
    /// The nodes of the in-sync set, as this node knows its row.
    public var inSync: [String]
    /// A primary's: how many entries each node that it feeds has not acknowledged.
    public var lags: [Lag]

    public enum Role: UInt64, Sendable {
        case none = 0
        case learner = 1
        case backup = 2
        case primary = 3
    }

    public struct Lag: Hashable, Sendable, FieldCodable {
        public var node: String
        public var entries: UInt64

        public init(node: String, entries: UInt64) {
            self.node = node
            self.entries = entries
        }

        public func encode(into writer: inout FieldWriter) {
            writer.write(1, node)
            writer.write(2, entries)
        }

        public init(from reader: FieldReader) throws(FieldError) {
            var reader = reader
            self.init(node: "", entries: 0)
            while let field = try reader.next() {
                switch field.number {
                case 1: node = try field.string()
                case 2: entries = try field.uint64()
                default: break
                }
            }
        }
    }
    /// What the slot has cost since it was opened here.
    public var load = SlotLoad()

    public init(
        slot: Slot, epoch: Epoch, isServing: Bool, lastIndex: LogIndex, appliedIndex: LogIndex, pendingCommands: Int,
        role: Role = .none, commitIndex: LogIndex = .zero, inSync: [String] = [], lags: [Lag] = []
    ) {
        self.slot = slot
        self.epoch = epoch
        self.isServing = isServing
        self.lastIndex = lastIndex
        self.appliedIndex = appliedIndex
        self.pendingCommands = pendingCommands
        self.role = role
        self.commitIndex = commitIndex
        self.inSync = inSync
        self.lags = lags
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, slot)
        writer.write(2, epoch)
        writer.write(3, isServing)
        writer.write(4, lastIndex)
        writer.write(5, appliedIndex)
        writer.write(6, pendingCommands)
        if role != .none { writer.write(7, role.rawValue) }
        if commitIndex > .zero { writer.write(8, commitIndex) }
        for node in inSync { writer.write(9, node) }
        for lag in lags { writer.write(10, lag) }
        if load != SlotLoad() { writer.write(16, load) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var slot: Slot?
        self.init(
            slot: Slot(truncating: 0), epoch: .zero, isServing: false, lastIndex: .zero, appliedIndex: .zero,
            pendingCommands: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: epoch = try field.epoch()
            case 3: isServing = try field.bool()
            case 4: lastIndex = try field.logIndex()
            case 5: appliedIndex = try field.logIndex()
            case 6: pendingCommands = try field.int()
            case 7: role = Role(rawValue: try field.uint64()) ?? .none
            case 8: commitIndex = try field.logIndex()
            case 9: inSync.append(try field.string())
            case 10: lags.append(try field.message())
            case 16: load = try field.message()
            default: break
            }
        }
        self.slot = try slot.required(1)
    }
}

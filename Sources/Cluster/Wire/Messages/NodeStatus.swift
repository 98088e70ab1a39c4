import Identity
import NIOCore

/// What a guild node tells operators of itself, in answer to an empty call of the method `status`.
public struct NodeStatus: Hashable, Sendable, FieldCodable {
    public var slots: [SlotStatus]
    /// Bytes of entries that wait for the log's disk.
    public var logQueueBytes: Int

    public init(slots: [SlotStatus], logQueueBytes: Int) {
        self.slots = slots
        self.logQueueBytes = logQueueBytes
    }

    public func encode(into writer: inout FieldWriter) {
        for slot in slots { writer.write(1, slot) }
        writer.write(2, logQueueBytes)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(slots: [], logQueueBytes: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: slots.append(try field.message())
            case 2: logQueueBytes = try field.int()
            default: break
            }
        }
    }
}

/// One slot on its primary.
public struct SlotStatus: Hashable, Sendable, FieldCodable {
    public var slot: Slot
    public var epoch: Epoch
    public var isServing: Bool
    /// The last entry that has its place in the log.
    public var lastIndex: LogIndex
    public var appliedIndex: LogIndex
    public var pendingCommands: Int
    /// What the slot has cost since it was opened here.
    public var load = SlotLoad()

    public init(
        slot: Slot, epoch: Epoch, isServing: Bool, lastIndex: LogIndex, appliedIndex: LogIndex, pendingCommands: Int
    ) {
        self.slot = slot
        self.epoch = epoch
        self.isServing = isServing
        self.lastIndex = lastIndex
        self.appliedIndex = appliedIndex
        self.pendingCommands = pendingCommands
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, slot)
        writer.write(2, epoch)
        writer.write(3, isServing)
        writer.write(4, lastIndex)
        writer.write(5, appliedIndex)
        writer.write(6, pendingCommands)
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
            case 16: load = try field.message()
            default: break
            }
        }
        self.slot = try slot.required(1)
    }
}

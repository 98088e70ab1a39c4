import Identity
import Placement
import Wire

/// What a guild node's disk knows of the slots, in answer to an empty call of the method `inventory`: what the shard map
/// is made anew from when the coordinator's data is lost.
public struct NodeInventory: Hashable, Sendable, FieldCodable {
    public var cluster: String
    public var store: String
    public var slots: [SlotInventory]

    public init(cluster: String, store: String, slots: [SlotInventory]) {
        self.cluster = cluster
        self.store = store
        self.slots = slots
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, cluster)
        writer.write(2, store)
        for slot in slots { writer.write(3, slot) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(cluster: "", store: "", slots: [])
        while let field = try reader.next() {
            switch field.number {
            case 1: cluster = try field.string()
            case 2: store = try field.string()
            case 3: slots.append(try field.message())
            default: break
            }
        }
    }
}

/// One slot on a disk that has or had something of it.
public struct SlotInventory: Hashable, Sendable, FieldCodable {
    public var slot: Slot
    /// The highest epoch that was noted while the node stood for the slot; `nil` when the disk may not stand for it.
    public var knownEpoch: Epoch?
    /// The newest row that the node has taken part by.
    public var row: ShardMapRow?
    /// Where the log ends, or what is applied where that is further; both zero when there is nothing.
    public var lastEpoch: Epoch
    public var lastIndex: LogIndex
    /// Why what is here must not be used; `nil` when it may.
    public var damage: String?

    public init(
        slot: Slot, knownEpoch: Epoch? = nil, row: ShardMapRow? = nil, lastEpoch: Epoch = .zero,
        lastIndex: LogIndex = .zero, damage: String? = nil
    ) {
        self.slot = slot
        self.knownEpoch = knownEpoch
        self.row = row
        self.lastEpoch = lastEpoch
        self.lastIndex = lastIndex
        self.damage = damage
    }

    /// Whether the disk holds the slot as a member of it does.
    public var isSound: Bool { knownEpoch != nil && damage == nil }

    /// The highest epoch that anything here names.
    public var highestEpoch: Epoch { [knownEpoch ?? .zero, row?.epoch ?? .zero, lastEpoch].max() ?? .zero }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, slot)
        if let knownEpoch { writer.write(2, knownEpoch) }
        if let row { writer.write(3, row) }
        writer.write(4, lastEpoch)
        writer.write(5, lastIndex)
        if let damage { writer.write(6, damage) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var slot: Slot?
        self.init(slot: Slot(truncating: 0))
        while let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: knownEpoch = try field.epoch()
            case 3: row = try field.message()
            case 4: lastEpoch = try field.epoch()
            case 5: lastIndex = try field.logIndex()
            case 6: damage = try field.string()
            default: break
            }
        }
        self.slot = try slot.required(1)
    }
}

import Identity
import Wire

extension SlotSnapshot {
    /// What a snapshot is of; sent before its parts.
    public struct Head: Hashable, Sendable {
        public var slot: Slot
        /// How far the slot's log was applied: whoever installs the snapshot goes on with the entry after it.
        public var applied: StateStore.Applied

        public init(slot: Slot, applied: StateStore.Applied) {
            self.slot = slot
            self.applied = applied
        }
    }

    /// One SST file of rows of one family, or ``SnapshotRows`` of all; sent before its bytes.
    public struct Part: Hashable, Sendable {
        /// Counted from 0 over all families.
        public var number: Int
        /// The family's name; empty for rows of all.
        public var family: String
        /// In bytes.
        public var size: Int
        /// CRC-32C of the bytes.
        public var checksum: UInt32
        public var rows: Int

        public init(number: Int, family: String, size: Int, checksum: UInt32, rows: Int) {
            self.number = number
            self.family = family
            self.size = size
            self.checksum = checksum
            self.rows = rows
        }
    }
}

extension SlotSnapshot.Head: FieldCodable {
    public func encode(into writer: inout FieldWriter) {
        writer.write(1, slot)
        writer.write(2, applied.epoch)
        writer.write(3, applied.index)
        writer.write(4, applied.idMark)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var slot: Slot?
        applied = .nothing
        while let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: applied.epoch = try field.epoch()
            case 3: applied.index = try field.logIndex()
            case 4: applied.idMark = try field.snowflake()
            default: break
            }
        }
        self.slot = try slot.required(1)
    }
}

extension SlotSnapshot.Part: FieldCodable {
    public func encode(into writer: inout FieldWriter) {
        writer.write(1, number)
        writer.write(2, family)
        writer.write(3, size)
        writer.write(4, UInt64(checksum))
        writer.write(5, rows)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var family: String?
        var size: Int?
        var checksum: UInt32?
        number = 0
        rows = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: number = try field.int()
            case 2: family = try field.string()
            case 3: size = try field.int()
            case 4: checksum = UInt32(exactly: try field.uint64())
            case 5: rows = try field.int()
            default: break
            }
        }
        self.family = try family.required(2)
        self.size = try size.required(3)
        self.checksum = try checksum.required(4)
    }
}

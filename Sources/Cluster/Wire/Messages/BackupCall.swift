import Identity
import NIOCore

/// What `guildctl` asks of the primary of a slot, through a router, for a backup or a restore. A repeated call joins the
/// work under way, or finds it done.
public struct BackupCall: Hashable, Sendable, FieldCodable {
    public enum Step: UInt64, Sendable, CaseIterable {
        /// Bring the slot's rows to the object store, or find that entries on the parent are enough.
        case rows = 1
        /// Bring the entries since then, and the slot's manifest.
        case entries = 2
        /// Bring the cluster's record.
        case record = 3
        /// Load the slot from a backup.
        case load = 4
        /// Deliver the effects on other slots that they lack, and take up the slot's work.
        case finish = 5
        /// Take over the secret of tokens from the backup's record of the cluster.
        case adopt = 6
        /// Say whether the slot is empty, so that a restore refuses before it has changed anything.
        case check = 7
    }

    public var step: Step
    public var slot: Slot
    /// An ``ObjectStore`` location; it holds no secret.
    public var location: String
    public var backup: String
    /// Empty for a full backup.
    public var parent: String
    /// Of the backup's record, for ``Step/adopt``.
    public var checksum: String
    /// How fast one node may send or read; 0 for no bound.
    public var bytesPerSecond: Int

    public init(
        step: Step, slot: Slot, location: String, backup: String, parent: String = "", checksum: String = "",
        bytesPerSecond: Int = 0
    ) {
        self.step = step
        self.slot = slot
        self.location = location
        self.backup = backup
        self.parent = parent
        self.checksum = checksum
        self.bytesPerSecond = bytesPerSecond
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, step.rawValue)
        writer.write(2, slot)
        writer.write(3, location)
        writer.write(4, backup)
        if !parent.isEmpty { writer.write(5, parent) }
        if !checksum.isEmpty { writer.write(6, checksum) }
        if bytesPerSecond > 0 { writer.write(7, bytesPerSecond) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var step: Step?
        var slot: Slot?
        self.init(step: .rows, slot: Slot(truncating: 0), location: "", backup: "")
        while let field = try reader.next() {
            switch field.number {
            case 1:
                step = Step(rawValue: try field.uint64())
                if step == nil { throw .invalidField(1) }
            case 2: slot = try field.slot()
            case 3: location = try field.string()
            case 4: backup = try field.string()
            case 5: parent = try field.string()
            case 6: checksum = try field.string()
            case 7: bytesPerSecond = try field.int()
            default: break
            }
        }
        self.step = try step.required(1)
        self.slot = try slot.required(2)
    }
}

/// How far a ``BackupCall`` has come.
public struct BackupReply: Hashable, Sendable, FieldCodable {
    public var isDone: Bool
    /// Sent or read so far.
    public var bytes: Int
    public var records: Int
    /// For people; for ``BackupCall/Step/record`` the checksum.
    public var detail: String

    public init(isDone: Bool, bytes: Int = 0, records: Int = 0, detail: String = "") {
        self.isDone = isDone
        self.bytes = bytes
        self.records = records
        self.detail = detail
    }

    public func encode(into writer: inout FieldWriter) {
        if isDone { writer.write(1, true) }
        writer.write(2, bytes)
        writer.write(3, records)
        if !detail.isEmpty { writer.write(4, detail) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(isDone: false)
        while let field = try reader.next() {
            switch field.number {
            case 1: isDone = try field.bool()
            case 2: bytes = try field.int()
            case 3: records = try field.int()
            case 4: detail = try field.string()
            default: break
            }
        }
    }
}

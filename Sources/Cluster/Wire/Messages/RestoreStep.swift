import Identity
import NIOCore

/// One step of loading an empty slot from a backup; the body of ``SlotCall/Kind/restore``. Answered by the
/// ``RestoreMarker`` as it then is. Each may be repeated.
public struct RestoreStep: Hashable, Sendable, FieldCodable {
    public enum Stage: UInt64, Sendable {
        /// Refused unless the slot is empty, or is being loaded from the same backup.
        case begin = 1
        case load = 2
        /// All is there.
        case loaded = 3
        /// Effects on other slots are delivered: the slot's work is taken up.
        case finish = 4
    }

    public var stage: Stage
    public var marker: RestoreMarker
    /// An encoded entry whose operations and id mark count.
    public var entry: ByteBuffer

    public init(stage: Stage, marker: RestoreMarker, entry: ByteBuffer = ByteBuffer()) {
        self.stage = stage
        self.marker = marker
        self.entry = entry
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, stage.rawValue)
        writer.write(2) { marker.encode(into: &$0) }
        if entry.readableBytes > 0 { writer.write(3, entry) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var stage: Stage?
        var marker: RestoreMarker?
        var entry = ByteBuffer()
        while let field = try reader.next() {
            switch field.number {
            case 1: stage = Stage(rawValue: try field.uint64())
            case 2: marker = try field.message()
            case 3: entry = try field.bytes()
            default: break
            }
        }
        self.init(stage: try stage.required(1), marker: try marker.required(2), entry: entry)
    }
}

/// What a slot keeps of its restore.
public struct RestoreMarker: Hashable, Sendable, FieldCodable {
    public enum State: UInt64, Sendable {
        case loading = 1
        case loaded = 2
        case done = 3
    }

    public var backup: String
    public var state: State
    /// The incarnation that the slot's data had where they were backed up: other slots know its effects by it.
    public var incarnation: UInt64
    /// Whether the backup has all effects that other slots may lack.
    public var isReconcilable: Bool

    public init(backup: String, state: State, incarnation: UInt64, isReconcilable: Bool) {
        self.backup = backup
        self.state = state
        self.incarnation = incarnation
        self.isReconcilable = isReconcilable
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, backup)
        writer.write(2, state.rawValue)
        writer.write(3, fixed: incarnation)
        if isReconcilable { writer.write(4, true) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var backup: String?
        var state: State?
        var incarnation: UInt64 = 0
        var isReconcilable = false
        while let field = try reader.next() {
            switch field.number {
            case 1: backup = try field.string()
            case 2: state = State(rawValue: try field.uint64())
            case 3: incarnation = try field.fixed()
            case 4: isReconcilable = try field.bool()
            default: break
            }
        }
        self.init(
            backup: try backup.required(1), state: try state.required(2), incarnation: incarnation,
            isReconcilable: isReconcilable)
    }
}

import Identity
import NIOCore
import Wire

/// What nodes say to each other of a slot's log, on the replication lane; many in one item of the stream.
public enum ReplicationMessage: Hashable, Sendable {
    case append(AppendMessage)
    case appendReply(AppendReply)
    /// Asks for an answer that lets the sender serve; see ``PeerLiveness``.
    case beacon(PeerLiveness.Beacon)
    case beaconReply(PeerLiveness.BeaconReply)
    /// The sender, primary by the row of this epoch, serves no more and leaves the slot to the receiver, who takes it
    /// by a swap of exactly this row.
    case handOver(slot: Slot, epoch: Epoch)
    /// The receiver, in this life of its process, holds all that is committed: it may stand as a member when a row says
    /// so.
    case admission(slot: Slot, epoch: Epoch, life: UInt64)
}

/// Entries of a slot, from its primary to a backup or a learner. Without entries it tells the commit index, and asks
/// whether the receiver's log holds `previous`.
public struct AppendMessage: Hashable, Sendable {
    public var slot: Slot
    /// Of the row that the sender is primary by; entries carry their own.
    public var epoch: Epoch
    /// The entry before the first one sent.
    public var previous: LogPosition
    public var commitIndex: LogIndex
    /// Encoded ``Entry`` values with consecutive indexes.
    public var entries: [ByteBuffer]

    public init(slot: Slot, epoch: Epoch, previous: LogPosition, commitIndex: LogIndex, entries: [ByteBuffer]) {
        self.slot = slot
        self.epoch = epoch
        self.previous = previous
        self.commitIndex = commitIndex
        self.entries = entries
    }
}

public struct AppendReply: Hashable, Sendable {
    public enum Result: Hashable, Sendable {
        /// All entries through this index are on disk here and are the sender's.
        case durable(through: LogIndex)
        /// `previous` is not in the log here; the latest position that can agree with the sender's log.
        case mismatch(hint: LogPosition)
        /// The receiver knows a later epoch.
        case older(than: Epoch)
        /// The receiver's disk has never held this slot as the row says, or has lost it: it must begin anew as a
        /// learner.
        case blank
    }

    public var slot: Slot
    /// Of the message that is answered.
    public var epoch: Epoch
    public var result: Result
    /// Of the process that answers.
    public var life: UInt64
    /// Its disk may lack what is committed.
    public var isBlank: Bool
    /// What it knows to be committed.
    public var commitIndex: LogIndex

    public init(
        slot: Slot, epoch: Epoch, result: Result, life: UInt64, isBlank: Bool, commitIndex: LogIndex
    ) {
        self.slot = slot
        self.epoch = epoch
        self.result = result
        self.life = life
        self.isBlank = isBlank
        self.commitIndex = commitIndex
    }
}

extension ReplicationMessage: FieldCodable {
    /// One field, whose number says which message it is.
    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .append(let append):
            writer.write(1) {
                $0.write(1, append.slot)
                $0.write(2, append.epoch)
                $0.write(3, append.previous.epoch)
                $0.write(4, append.previous.index)
                $0.write(5, append.commitIndex)
                for entry in append.entries { $0.write(6, entry) }
            }
        case .appendReply(let reply):
            writer.write(2) {
                $0.write(1, reply.slot)
                $0.write(2, reply.epoch)
                switch reply.result {
                case .durable(let index): $0.write(3, index)
                case .mismatch(let hint):
                    $0.write(4, hint.epoch)
                    $0.write(5, hint.index)
                case .older(let epoch): $0.write(6, epoch)
                case .blank: $0.write(7, true)
                }
                $0.write(8, fixed: reply.life)
                if reply.isBlank { $0.write(9, true) }
                $0.write(10, reply.commitIndex)
            }
        case .beacon(let beacon):
            writer.write(3) {
                $0.write(1, fixed: beacon.life)
                $0.write(2, beacon.sequence)
                for claim in beacon.claims {
                    $0.write(3) { ReplicationMessage.write(claim.slot, claim.epoch, into: &$0) }
                }
            }
        case .beaconReply(let reply):
            writer.write(4) {
                $0.write(1, fixed: reply.life)
                $0.write(2, reply.sequence)
                for slot in reply.refused { $0.write(3, slot) }
                $0.write(4, ifPresent: reply.clock)
            }
        case .admission(let slot, let epoch, let life):
            writer.write(6) {
                ReplicationMessage.write(slot, epoch, into: &$0)
                $0.write(3, fixed: life)
            }
        case .handOver(let slot, let epoch): writer.write(5) { ReplicationMessage.write(slot, epoch, into: &$0) }
        }
    }

    private static func write(_ slot: Slot, _ epoch: Epoch, into writer: inout FieldWriter) {
        writer.write(1, slot)
        writer.write(2, epoch)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var message: ReplicationMessage?
        while let field = try reader.next() {
            switch field.number {
            case 1: message = .append(try AppendMessage(from: field.message()))
            case 2: message = .appendReply(try AppendReply(from: field.message()))
            case 3: message = .beacon(try PeerLiveness.Beacon(from: field.message()))
            case 4: message = .beaconReply(try PeerLiveness.BeaconReply(from: field.message()))
            case 5:
                let (slot, epoch, _) = try ReplicationMessage.slotAndEpoch(field.message())
                message = .handOver(slot: slot, epoch: epoch)
            case 6:
                let (slot, epoch, life) = try ReplicationMessage.slotAndEpoch(field.message())
                message = .admission(slot: slot, epoch: epoch, life: life)
            default: break
            }
        }
        self = try message.required(1)
    }

    fileprivate static func slotAndEpoch(_ reader: FieldReader) throws(FieldError) -> (Slot, Epoch, life: UInt64) {
        var reader = reader
        var slot: Slot?
        var epoch = Epoch.zero
        var life: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: epoch = try field.epoch()
            case 3: life = try field.fixed()
            default: break
            }
        }
        return (try slot.required(1), epoch, life)
    }
}

extension PeerLiveness.Beacon {
    fileprivate init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(life: 0, sequence: 0, claims: [])
        while let field = try reader.next() {
            switch field.number {
            case 1: life = try field.fixed()
            case 2: sequence = try field.uint64()
            case 3:
                guard claims.count < Int(Slot.count) else { throw .invalidField(3) }
                let (slot, epoch, _) = try ReplicationMessage.slotAndEpoch(field.message())
                claims.append(PeerLiveness.Claim(slot: slot, epoch: epoch))
            default: break
            }
        }
    }
}

extension PeerLiveness.BeaconReply {
    fileprivate init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(life: 0, sequence: 0, refused: [])
        while let field = try reader.next() {
            switch field.number {
            case 1: life = try field.fixed()
            case 2: sequence = try field.uint64()
            case 3:
                guard refused.count < Int(Slot.count) else { throw .invalidField(3) }
                refused.append(try field.slot())
            case 4: clock = try field.timestamp()
            default: break
            }
        }
    }
}

extension AppendMessage {
    fileprivate init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var slot: Slot?
        self.init(
            slot: Slot(truncating: 0), epoch: .zero, previous: .start, commitIndex: .zero, entries: [])
        while let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: epoch = try field.epoch()
            case 3: previous.epoch = try field.epoch()
            case 4: previous.index = try field.logIndex()
            case 5: commitIndex = try field.logIndex()
            case 6: entries.append(try field.bytes())
            default: break
            }
        }
        self.slot = try slot.required(1)
    }
}

extension AppendReply {
    fileprivate init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var slot: Slot?
        var epoch = Epoch.zero
        var result: Result?
        var hint = LogPosition.start
        var life: UInt64 = 0
        var isBlank = false
        var commitIndex = LogIndex.zero
        while let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: epoch = try field.epoch()
            case 3: result = .durable(through: try field.logIndex())
            case 4:
                hint.epoch = try field.epoch()
                result = .mismatch(hint: hint)
            case 5:
                hint.index = try field.logIndex()
                result = .mismatch(hint: hint)
            case 6: result = .older(than: try field.epoch())
            case 7: result = .blank
            case 8: life = try field.fixed()
            case 9: isBlank = try field.bool()
            case 10: commitIndex = try field.logIndex()
            default: break
            }
        }
        self.init(
            slot: try slot.required(1), epoch: epoch, result: try result.required(3), life: life, isBlank: isBlank,
            commitIndex: commitIndex)
    }
}

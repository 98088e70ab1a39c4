import Domain
import Identity
import NIOCore
import Replication
import Wire

/// The rows of ``Family/meta`` that matter to a restore, as the backup's rows and entries make them.
///
/// Numbers of the log begin anew in the restored slot, and with them its events, its outbox and its work; what other
/// slots know of it goes by its old incarnation. Of the old outbox, *candidates* are kept: all effects that were not
/// acknowledged when the last backup of the chain began for this slot, and all that it has caused since. A slot that was
/// backed up earlier lacks none but these; which of them it has, its own inbox says.
struct RestoreImage {
    /// Most bytes of effects and work of one slot.
    static let maximumBytes = 256 << 20

    private(set) var incarnation: UInt64?
    private var outbox: [[UInt8]: ByteBuffer] = [:]
    private var work: [[UInt8]: ByteBuffer] = [:]
    private var inbox: [[UInt8]: ByteBuffer] = [:]
    private var candidates: [[UInt8]: ByteBuffer]?
    private var bytes = 0

    mutating func put(_ key: [UInt8], _ value: ByteBuffer) throws {
        switch MetaRows.part(key) {
        case .outbox: outbox[key] = value
        case .work: work[key] = value
        case .inbox: inbox[key] = value
        case .incarnation: incarnation = MetaRows.number(value)
        case .other: return
        }
        bytes += key.count + value.readableBytes
        guard bytes <= RestoreImage.maximumBytes else {
            throw ServiceFault.unclaimed("the slot has more effects and work under way than can be restored")
        }
    }

    /// From the last backup's first entry on, effects are kept even when they are acknowledged.
    mutating func beginLastEntries() { candidates = outbox }

    mutating func apply(_ entry: Entry) throws {
        for operation in entry.operations {
            switch operation {
            case .put(Family.meta.rawValue, let key, let value): try put(key, value)
            case .delete(Family.meta.rawValue, let key): remove { $0 == key }
            case .deleteRange(Family.meta.rawValue, let from, let upTo):
                remove { !$0.precedes(from) && $0.precedes(upTo) }
            default: break
            }
        }
        for item in entry.outbox {
            let key = MetaRows.outbox(item.destination, item.number)
            try put(key, item.effect)
            candidates?[key] = item.effect
        }
    }

    private mutating func remove(_ isMeant: ([UInt8]) -> Bool) {
        for key in outbox.keys where isMeant(key) { outbox[key] = nil }
        for key in work.keys where isMeant(key) { work[key] = nil }
        for key in inbox.keys where isMeant(key) { inbox[key] = nil }
    }

    /// The rows that the restored slot gets.
    var operations: [Entry.Operation] {
        let rows =
            inbox.map { ($0, $1) } + (candidates ?? outbox).map { (MetaRows.restoredOutbox($0), $1) }
            + work.map { (MetaRows.restoredWork($0), $1) }
        return rows.sorted { $0.0.precedes($1.0) }
            .map { .put(family: Family.meta.rawValue, key: $0.0, value: $0.1) }
    }
}

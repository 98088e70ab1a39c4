import Identity
import NIOCore
import Replication

/// One change of the `log` instance on its way to the disk; changes are carried out in the order they are queued in.
public enum LogChange: Sendable {
    case append(LogWriter.Append)
    /// Forgets the slot's entries through an index: they are applied on disk.
    case trim(Slot, through: LogIndex)
    /// Forgets the slot's entries from an index on: they are not those of its primary. What is queued before it is cut
    /// off, what is queued after it stays. The appends after it carry its generation.
    case truncate(Slot, from: LogIndex, generation: LogGeneration)
    /// Forgets all entries of the slot, its highest epoch and its ``InstalledSnapshot``: a disk without the slot's data
    /// may not stand as a member.
    case clear(Slot, generation: LogGeneration)
    /// Remembers the highest epoch that was seen in the slot's row; see ``KnownEpochs``.
    case know(Slot, Epoch)
    /// Remembers a row of the slot and its epoch, in place of the one before.
    case keepRow(Slot, Epoch, ByteBuffer)
    /// Says that the slot's data must not be used, or that it may be used again.
    case mark(Slot, SlotMarker?)
    /// Remembers an ``InstalledSnapshot``, encoded.
    case keepSnapshot(Slot, ByteBuffer)
    /// The snapshot is flushed.
    case forgetSnapshot(Slot)

    /// About how many bytes it takes in a batch.
    var size: Int {
        switch self {
        case .append(let append): append.entry.readableBytes + 32
        case .keepRow(_, _, let row): row.readableBytes + 32
        case .keepSnapshot(_, let snapshot): snapshot.readableBytes + 32
        case .trim, .truncate, .clear, .know, .mark, .forgetSnapshot: 64
        }
    }

    /// What its slot's owner may rely on once it is on disk.
    var durability: (slot: Slot, durability: Durability)? {
        switch self {
        case .append(let append):
            (append.slot, Durability(generation: append.generation, index: append.index))
        case .trim, .keepSnapshot, .forgetSnapshot: nil
        case .truncate(let slot, let index, let generation):
            (slot, Durability(generation: generation, index: LogIndex(rawValue: max(index.rawValue, 1) - 1)))
        case .clear(let slot, let generation): (slot, Durability(generation: generation, index: .zero))
        case .know(let slot, let epoch): (slot, Durability(epoch: epoch))
        case .keepRow(let slot, let epoch, _): (slot, Durability(row: epoch))
        case .mark(let slot, _): (slot, Durability())
        }
    }
}

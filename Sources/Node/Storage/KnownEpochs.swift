import Identity

/// The highest epoch of each slot's row that this node has seen, so that it refuses what is older, also after a restart.
///
/// A value for the owner of slots. What it raises is queued in the log before anything that follows from it, for example
/// before the entries of the same message, so that an answer which waits for those waits for it too.
public struct KnownEpochs: Sendable {
    private var epochs: [Slot: Epoch]

    /// - Parameter epochs: what the disk remembers: ``LogStore/knownEpochs()``.
    public init(_ epochs: [Slot: Epoch] = [:]) { self.epochs = epochs }

    public subscript(slot: Slot) -> Epoch { epochs[slot] ?? .zero }

    public enum Verdict: Sendable {
        /// A later epoch is known: whoever speaks with this one is to be refused.
        case older(than: Epoch)
        case known
        /// It is the highest now; the change is to be queued before anything that relies on it, unless the disk is
        /// blank: one that has never held the slot as a member must not say so by its epoch.
        case raised(LogChange)
    }

    /// Something speaks with this epoch of the slot's row.
    public mutating func meet(_ slot: Slot, _ epoch: Epoch) -> Verdict {
        let known = self[slot]
        if epoch < known { return .older(than: known) }
        if epoch == known { return .known }
        epochs[slot] = epoch
        return .raised(.know(slot, epoch))
    }
}

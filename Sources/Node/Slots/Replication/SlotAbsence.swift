/// Why a slot that a row may give to this node has no replica in memory now.
enum SlotAbsence: Hashable, Sendable {
    /// It is being read from disk.
    case loading
    /// Its data is being deleted.
    case clearing
    /// A snapshot is being put in the place of its data.
    case installing
    /// What is on disk is not what was written. It stays there until the others hold the slot without this node.
    case broken(String)
}

import NIOCore

/// Why a slot's data must not be used: a small row of the `log` instance, because that is the one that is synced.
///
/// The row is written in the same synced batch that clears the slot's log, before anything of its state is touched, and
/// taken away after the state is flushed. So whatever a crash leaves between the two is known to be a half.
public enum SlotMarker: UInt8, Hashable, Sendable {
    /// A snapshot is being installed. Found at start: the slot is wiped, and begins again as an empty one.
    case ingesting = 1
    /// The slot is being deleted. Found at start: the deletion is finished.
    case deleting = 2
    /// What was read of the slot was not what had been written. Stays until the slot is deleted or gets a snapshot.
    case corrupt = 3

    /// Whether the slot is wiped when the store is opened.
    var isWipedAtStart: Bool {
        switch self {
        case .ingesting, .deleting: true
        case .corrupt: false
        }
    }
}

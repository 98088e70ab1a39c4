import Identity

/// Where an entry lies in its slot's log. Names the entry: an epoch belongs to one life of one primary, which gives each
/// index once.
public struct LogPosition: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var epoch: Epoch
    public var index: LogIndex

    public init(epoch: Epoch, index: LogIndex) {
        self.epoch = epoch
        self.index = index
    }

    /// Before the first entry.
    public static let start = LogPosition(epoch: .zero, index: .zero)

    /// By epoch, then by index.
    public static func < (left: LogPosition, right: LogPosition) -> Bool {
        (left.epoch, left.index) < (right.epoch, right.index)
    }

    public var description: String { "\(epoch)/\(index)" }
}

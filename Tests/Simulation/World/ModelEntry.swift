import Identity
import Replication

/// An entry of the modelled slot's log. One object for all copies: two entries are the same if they are one object.
final class ModelEntry {
    enum Change {
        case opening
        case append(channel: Int, value: Int, id: Snowflake)
        /// An effect of another slot, with its number there.
        case receive(source: Int, number: UInt64, value: Int)
        /// Effects through this number are delivered.
        case forget(destination: Int, through: UInt64)
    }

    struct Effect {
        var destination: Int
        var number: UInt64
        var value: Int
    }

    let position: LogPosition
    let idMark: Snowflake
    /// What was known to be committed when this was proposed.
    let commitIndex: LogIndex
    let change: Change
    let request: RequestID?
    let effect: Effect?

    init(
        position: LogPosition, idMark: Snowflake, commitIndex: LogIndex, change: Change, request: RequestID? = nil,
        effect: Effect? = nil
    ) {
        self.position = position
        self.idMark = idMark
        self.commitIndex = commitIndex
        self.change = change
        self.request = request
        self.effect = effect
    }

    /// Whether it has a numbered event: each message has.
    var hasEvent: Bool {
        if case .append = change { true } else { false }
    }
}

import Coordination
import Identity
import NIOCore
import Placement
import Wire

/// What a process knows of its cluster, made from the coordinator's listing and the changes after it.
///
/// A value without I/O. A row with a lower epoch than the one known is refused, so that a coordinator restored from an
/// old backup cannot turn epochs back (DESIGN §5).
struct ClusterState: Sendable {
    private(set) var rows: [ShardMapRow?]
    /// Of the rows' keys; zero when it is not known.
    private var revisions: [UInt64]
    private(set) var nodes: [NodeID: NodeRecord] = [:]
    private(set) var clockOffset: Duration = .zero
    private(set) var settings = ClusterSettings()

    init() {
        rows = Array(repeating: nil, count: Int(Slot.count))
        revisions = Array(repeating: 0, count: Int(Slot.count))
    }

    /// What happened by a change.
    enum Step: Hashable, Sendable {
        case changed(ClusterChange)
        case clockOffset(Duration)
        /// The value was not taken over, and why.
        case refused(key: String, reason: String)
    }

    func row(_ slot: Slot) -> ShardMapRow? { rows[Int(slot.rawValue)] }

    /// The row and the revision of its key, as the coordinator told them.
    func held(_ slot: Slot) -> ShardMapRows.Held? {
        let revision = revisions[Int(slot.rawValue)]
        guard revision > 0, let row = row(slot) else { return nil }
        return ShardMapRows.Held(row: row, revision: revision)
    }

    /// Takes over a whole listing: nodes that it lacks are gone.
    mutating func replace(by listing: CoordinatorListing) -> [Step] {
        var steps: [Step] = []
        let listed = Set(listing.entries.map(\.key))
        for id in nodes.keys.sorted() where !listed.contains(CoordinatorKey.node(id)) {
            nodes[id] = nil
            steps.append(.changed(.nodeGone(id)))
        }
        if !listed.contains(CoordinatorKey.settings) { settings = ClusterSettings() }
        if !listed.contains(CoordinatorKey.clockOffset), let step = moveClock(to: .zero) { steps.append(step) }
        for entry in listing.entries {
            if let step = take(entry.key, entry.value, entry.revision) { steps.append(step) }
        }
        return steps
    }

    mutating func apply(_ change: CoordinatorChange) -> Step? { take(change.key, change.value, change.revision) }

    private mutating func take(_ row: ShardMapRow, _ revision: UInt64) -> Step? {
        let known = rows[Int(row.slot.rawValue)]
        if let known, known.epoch >= row.epoch {
            if known.epoch == row.epoch { return nil }
            return .refused(
                key: CoordinatorKey.slot(row.slot), reason: "epoch \(row.epoch) after epoch \(known.epoch)")
        }
        rows[Int(row.slot.rawValue)] = row
        revisions[Int(row.slot.rawValue)] = revision
        return .changed(.row(row))
    }

    private mutating func take(_ key: String, _ value: ByteBuffer?, _ revision: UInt64) -> Step? {
        do throws(FieldError) {
            if key.hasPrefix(CoordinatorKey.slots) {
                guard let value else { return .refused(key: key, reason: "rows are never deleted") }
                return take(try ShardMapRow(decoding: value), revision)
            }
            if key.hasPrefix(CoordinatorKey.nodes) {
                return try takeNode(String(key.dropFirst(CoordinatorKey.nodes.count)), value)
            }
            if key == CoordinatorKey.settings {
                settings =
                    try value.map { (value) throws(FieldError) in try ClusterSettings(decoding: value) }
                    ?? ClusterSettings()
                return nil
            }
        } catch {
            return .refused(key: key, reason: "\(error)")
        }
        guard key == CoordinatorKey.clockOffset else { return nil }
        guard let value else { return moveClock(to: .zero) }
        guard let milliseconds = Int64(String(buffer: value)) else {
            return .refused(key: key, reason: "not a decimal number of milliseconds")
        }
        return moveClock(to: .milliseconds(milliseconds))
    }

    private mutating func takeNode(_ name: String, _ value: ByteBuffer?) throws(FieldError) -> Step? {
        guard let value else {
            guard let id = NodeID(rawValue: name), nodes.removeValue(forKey: id) != nil else { return nil }
            return .changed(.nodeGone(id))
        }
        let node = try NodeRecord(decoding: value)
        guard node.id.rawValue == name else {
            return .refused(key: CoordinatorKey.nodes + name, reason: "the record names the node \(node.id)")
        }
        guard nodes[node.id] != node else { return nil }
        nodes[node.id] = node
        return .changed(.node(node))
    }

    private mutating func moveClock(to offset: Duration) -> Step? {
        guard offset != clockOffset else { return nil }
        clockOffset = offset
        return .clockOffset(offset)
    }
}

import Identity
import Placement
import Wire

/// A planned change of who holds one slot.
public struct SlotMove: Hashable, Sendable {
    public var slot: Slot
    /// The holders when it was planned, the primary first.
    public var from: [NodeID]
    /// The wanted holders, the wanted primary first.
    public var to: [NodeID]

    public init(slot: Slot, from: [NodeID], to: [NodeID]) {
        self.slot = slot
        self.from = from
        self.to = to
    }

    /// Nodes that must be sent the slot's data.
    public var added: [NodeID] { to.filter { !from.contains($0) } }
    public var changesPrimary: Bool { to.first != from.first }
}

/// A rebalance under way, or the last one: kept in the coordinator under the key `rebalance`, so that it goes on after
/// the death of the command line, of a router or of any node.
///
/// What has been written is not noted here: the rows themselves tell (see ``Controller``).
public struct RebalanceJob: Hashable, Sendable, FieldCodable {
    public enum State: UInt64, Sendable {
        case running = 1
        case aborting = 2
        case done = 3
        case aborted = 4
    }

    /// Moves at once, unless the operator says otherwise.
    public static let usualConcurrency = 8
    public static let maximumConcurrency = 256

    public var id: UInt64
    public var created: Timestamp
    public var finished: Timestamp?
    public var state: State
    /// Not settled yet.
    public var moves: [SlotMove]
    public var concurrency: Int
    /// Bytes a second that may be sent for new copies, all nodes together; 0: no limit.
    public var bandwidth: Int
    /// Moves in all.
    public var total: Int
    public var settled = 0
    /// Moves that were given up because a node that they name has left the cluster since.
    public var dropped = 0
    /// Moves that an abort has turned back.
    public var reset = 0
    /// Bytes to be sent in all, as estimated by the plan.
    public var totalBytes: Int
    /// Of these, those of settled moves.
    public var settledBytes = 0

    public init(
        id: UInt64, created: Timestamp, moves: [SlotMove], concurrency: Int = usualConcurrency, bandwidth: Int = 0,
        totalBytes: Int = 0
    ) {
        self.id = id
        self.created = created
        self.moves = moves
        self.concurrency = concurrency
        self.bandwidth = bandwidth
        self.totalBytes = totalBytes
        state = .running
        total = moves.count
    }

    public var isOver: Bool { state == .done || state == .aborted }

    /// Nodes are named once, since 1,024 moves of long names would not fit a value of the coordinator.
    public func encode(into writer: inout FieldWriter) {
        var names: [NodeID] = []
        var numbers: [NodeID: Int] = [:]
        for node in moves.flatMap({ $0.from + $0.to }) where numbers[node] == nil {
            numbers[node] = names.count
            names.append(node)
        }
        writer.write(1, fixed: id)
        writer.write(2, created)
        writer.write(3, ifPresent: finished)
        writer.write(4, state.rawValue)
        for name in names { writer.write(5, name.rawValue) }
        for move in moves {
            writer.write(6) {
                $0.write(1, move.slot)
                for node in move.from { $0.write(2, numbers[node] ?? 0) }
                for node in move.to { $0.write(3, numbers[node] ?? 0) }
            }
        }
        writer.write(7, concurrency)
        writer.write(8, bandwidth)
        writer.write(9, total)
        writer.write(10, settled)
        writer.write(11, dropped)
        writer.write(12, reset)
        writer.write(13, totalBytes)
        writer.write(14, settledBytes)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(id: 0, created: Timestamp(milliseconds: 0), moves: [])
        var names: [NodeID] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try field.fixed()
            case 2: created = try field.timestamp()
            case 3: finished = try field.timestamp()
            case 4:
                guard let known = State(rawValue: try field.uint64()) else { throw .invalidField(4) }
                state = known
            case 5: names.append(try field.nodeID())
            case 6: moves.append(try Self.move(try field.message(), names))
            case 7: concurrency = max(1, try field.int())
            case 8: bandwidth = try field.int()
            case 9: total = try field.int()
            case 10: settled = try field.int()
            case 11: dropped = try field.int()
            case 12: reset = try field.int()
            case 13: totalBytes = try field.int()
            case 14: settledBytes = try field.int()
            default: break
            }
        }
    }

    private static func move(_ reader: FieldReader, _ names: [NodeID]) throws(FieldError) -> SlotMove {
        var reader = reader
        var slot: Slot?
        var (from, to): ([NodeID], [NodeID]) = ([], [])
        while let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2, 3:
                let number = try field.int()
                guard names.indices.contains(number) else { throw .invalidField(field.number) }
                if field.number == 2 { from.append(names[number]) } else { to.append(names[number]) }
            default: break
            }
        }
        guard !to.isEmpty else { throw .invalidField(3) }
        return SlotMove(slot: try slot.required(1), from: from, to: to)
    }
}

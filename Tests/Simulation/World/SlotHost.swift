import Identity
import Placement
import Replication

/// A slot on a node that runs: the replica and what the runtime keeps around it.
final class SlotHost {
    /// An answer that waits for the entries it may rest on.
    struct Gate {
        var index: LogIndex
        var call: ClientCall
        var answer: ClientAnswer
    }

    let slot: Int
    var replica: ReplicaSlot
    /// The log from ``base`` on, on disk or on its way there.
    var base: LogPosition
    var entries: [ModelEntry]
    var state: SlotModel
    /// The state with all that is uncommitted: what commands read.
    var overlay: SlotModel?
    var minter: IDMinter
    var outbox = OutboxNumbers()
    var gates: [Gate] = []
    var deliveries: [(index: LogIndex, source: Int, through: UInt64, from: Int)] = []
    var reportedCommit = LogIndex.zero
    var isDropped = false
    var isIngesting = false
    var snapshotSender: Int?
    var wasServing = false
    /// The requests that are being served, with the attempts that joined them.
    var requests = RequestMemory<Int>()
    /// By destination: the delivery that is under way, and when it is given up.
    var underWay: [Int64?]

    init(slot: Int, replica: ReplicaSlot, files: ModelDisk.SlotFiles, state: SlotModel, slots: Int) {
        self.slot = slot
        self.replica = replica
        base = files.base
        entries = files.log
        self.state = state
        minter = IDMinter(slot: replica.slot)
        underWay = Array(repeating: nil, count: slots)
    }

    var last: LogPosition { entries.last?.position ?? base }

    func entry(at index: LogIndex) -> ModelEntry? {
        guard index > base.index, index <= last.index else { return nil }
        return entries[Int(index.rawValue - base.index.rawValue) - 1]
    }

    func slice(after index: LogIndex, through: LogIndex) -> [ModelEntry] {
        guard through > index, index >= base.index else { return [] }
        return Array(
            entries[Int(index.rawValue - base.index.rawValue)..<Int(through.rawValue - base.index.rawValue)])
    }

    func cut(from index: LogIndex) {
        let kept = Int(index.rawValue) - Int(base.index.rawValue) - 1
        entries.removeLast(entries.count - max(0, min(kept, entries.count)))
    }

    func trim(through index: LogIndex) {
        guard index > base.index, let entry = entry(at: index) else { return }
        entries.removeFirst(Int(index.rawValue - base.index.rawValue))
        base = entry.position
    }
}

import Identity
import Placement
import Routing

/// The shard map made anew from what the guild nodes' disks know: a pure function of their inventories and of the rows
/// that the coordinator still has.
///
/// Why it loses nothing. Whoever changes a row has that row on disk (``SlotInventory/row``), and what a primary proposes
/// by a row reaches its own disk after the row. So if all holders of the newest row that any disk knows have answered,
/// nobody has committed anything by a later one; all that was acknowledged lies on each member of that row, but for
/// entries that a change under way let pass with fewer members: these lie on the members of the later row, whose primary
/// or successor is among them, so that the longest log holds them. The rebuilt row is therefore that row, led by the
/// member with the longest log, with an epoch above all that any disk knows.
public struct MapRebuild: Sendable {
    /// A slot of which acknowledged writes may lie elsewhere.
    public struct Doubt: Hashable, Sendable {
        /// What is written when the loss is accepted.
        public var row: ShardMapRow
        /// Nodes that the newest known row names, and that have not answered.
        public var absent: [NodeID] = []
        /// Members that have answered, and whose disks do not hold the slot any more.
        public var damaged: [NodeID] = []
        /// Some disk holds the slot.
        public var isHeld = true

        public var slot: Slot { row.slot }

        /// In words.
        public var reason: String {
            if !absent.isEmpty { return "\(MapRebuild.list(absent)) must answer" }
            if !damaged.isEmpty { return "the disk of \(MapRebuild.list(damaged)) does not hold it any more" }
            return isHeld ? "no disk knows who held it" : "no disk holds it"
        }
    }

    /// How far new epochs lie above all known ones: a node that did not answer may know later ones.
    static let epochMargin: UInt64 = 1000

    /// Rows to be written where nothing can be lost.
    public var rows: [ShardMapRow] = []
    public var doubts: [Doubt] = []
    /// Rows of the coordinator that no disk knows better.
    public var kept = 0
    /// Those who answered, and how many slots their disks hold.
    public var answered: [NodeID: Int] = [:]

    /// Nodes that did not answer, and how many slots need them.
    public var absent: [NodeID: Int] {
        doubts.reduce(into: [:]) { count, doubt in for node in doubt.absent { count[node, default: 0] += 1 } }
    }

    static func list(_ nodes: [NodeID]) -> String { nodes.map(\.rawValue).joined(separator: ", ") }

    /// - Parameters:
    ///   - current: the coordinator's rows, as far as it has any.
    ///   - disks: of all nodes that answered.
    public init(current: [Slot: ShardMapRow], disks: [NodeID: NodeInventory]) {
        var found: [Slot: [NodeID: SlotInventory]] = [:]
        var highest = current.values.map(\.epoch).max() ?? .zero
        for (node, disk) in disks {
            answered[node] = disk.slots.count(where: \.isSound)
            for slot in disk.slots {
                found[slot.slot, default: [:]][node] = slot
                highest = max(highest, slot.highestEpoch)
            }
        }
        let epoch = Epoch(rawValue: highest.rawValue + MapRebuild.epochMargin)
        for slot in Slot.all {
            let slots = found[slot] ?? [:]
            let known = slots.values.map(\.highestEpoch).max() ?? .zero
            if let row = current[slot], row.epoch >= known {
                kept += 1
                continue
            }
            let newest = (slots.values.compactMap(\.row) + [current[slot]].compactMap { $0 }).max {
                $0.epoch < $1.epoch
            }
            rebuild(slot, newest, slots, epoch: epoch, answered: disks.keys.sorted())
        }
    }

    private mutating func rebuild(
        _ slot: Slot, _ newest: ShardMapRow?, _ found: [NodeID: SlotInventory], epoch: Epoch, answered: [NodeID]
    ) {
        let sound = found.filter(\.value.isSound)
        guard let newest else {
            let isHeld = found.values.contains { $0.lastIndex > .zero }
            guard let row = MapRebuild.salvage(slot, nil, found, epoch: epoch, answered: answered) else { return }
            return doubts.append(Doubt(row: row, isHeld: isHeld))
        }
        let members = newest.inSync + newest.eligible.filter { !newest.inSync.contains($0) }
        let absent = newest.holders.filter { !answered.contains($0) }
        let damaged = members.filter { answered.contains($0) && sound[$0] == nil }
        guard absent.isEmpty, damaged.isEmpty, let leader = MapRebuild.longest(newest.inSync, newest, sound) else {
            guard let row = MapRebuild.salvage(slot, newest, found, epoch: epoch, answered: answered) else { return }
            return doubts.append(
                Doubt(row: row, absent: absent.sorted(), damaged: damaged.sorted(), isHeld: !sound.isEmpty))
        }
        var row = newest
        row.epoch = epoch
        row.primary = leader
        row.target = []
        if leader != newest.primary { row.home = newest.home ?? newest.primary }
        rows.append(row)
    }

    /// The node whose log goes furthest: the primary rather than others, then in the row's order.
    private static func longest(
        _ nodes: [NodeID], _ row: ShardMapRow?, _ found: [NodeID: SlotInventory]
    ) -> NodeID? {
        var best: (node: NodeID, end: (Epoch, LogIndex))?
        for node in ([row?.primary].compactMap { $0 }.filter(nodes.contains) + nodes) {
            guard let slot = found[node] else { continue }
            let end = (slot.lastEpoch, slot.lastIndex)
            if best.map({ $0.end < end }) ?? true { best = (node, end) }
        }
        return best?.node
    }

    /// The row that saves what is there: one node with the longest log, the others learn from it. `nil` when nobody has
    /// answered at all.
    private static func salvage(
        _ slot: Slot, _ newest: ShardMapRow?, _ found: [NodeID: SlotInventory], epoch: Epoch, answered: [NodeID]
    ) -> ShardMapRow? {
        // Noted epochs are missing where an old version wrote the data.
        let usable = found.filter { $0.value.damage == nil && ($0.value.isSound || $0.value.lastIndex > .zero) }
        let order = (newest?.inSync ?? []).filter { usable[$0] != nil } + usable.keys.sorted()
        if let leader = longest(order, newest, usable) {
            let others = usable.keys.filter { $0 != leader }.sorted()
            return ShardMapRow(
                slot: slot, epoch: epoch, primary: leader, inSync: [leader], learners: others,
                isPinned: newest?.isPinned ?? false)
        }
        guard !answered.isEmpty else { return nil }
        // A new and empty slot: the first epoch is what lets a disk without it begin.
        let node = answered[Int(slot.rawValue) % answered.count]
        return ShardMapRow(slot: slot, epoch: Epoch(rawValue: 1), primary: node, inSync: [node])
    }
}

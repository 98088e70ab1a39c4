import Identity

/// The assignment of one rank (all primaries, all first replicas, …) of ``plan(nodes:loads:current:settings:)``.
struct PlacementLayer {
    private static let maximumPasses = 8

    private let field: PlacementField
    private let bound: Double
    /// The nodes of lower rank, a slot.
    private let placed: [[Int]]
    /// The nodes that hold a copy now, a slot; the one of this rank's present holder first.
    private let copies: [[Int]]
    private let rank: Int
    private var assignment: [Int]
    private var load: [Double]
    private var slots: [Set<Int>]

    init(field: PlacementField, bound: Double, rank: Int, placed: [[Int]], copies: [[Int]]) {
        self.field = field
        self.bound = bound
        self.rank = rank
        self.placed = placed
        self.copies = copies
        assignment = Array(repeating: PlacementField.gone, count: placed.count)
        load = Array(repeating: 0, count: field.nodes.count)
        slots = Array(repeating: [], count: field.nodes.count)
    }

    mutating func assign(pinned: [Bool]) -> [Int] {
        for slot in assignment.indices { keep(slot, isPinned: pinned[slot]) }
        // Heavy slots first: what comes last must find room.
        let homeless = assignment.indices.filter { assignment[$0] == PlacementField.gone }
            .sorted { (-field.loads[$0], $0) < (-field.loads[$1], $1) }
        for slot in homeless { put(slot, at: home(for: slot)) }
        // What one pass gives away opens room for the next; two passes are the most that was seen.
        for _ in 0..<PlacementLayer.maximumPasses {
            let before = assignment
            shed(pinned)
            fill(pinned)
            if assignment == before { break }
        }
        return assignment
    }

    // MARK: What a node may take

    private func isAllowed(_ slot: Int, _ node: Int) -> Bool {
        guard !placed[slot].contains(node) else { return false }
        guard rank > 0 else { return true }
        let zone = field.zone(of: node)
        guard placed[slot].contains(where: { field.zone(of: $0) == zone }) else { return true }
        // The zone has the slot already: allowed only when no other has a node for it.
        return !field.takers.contains { taker in
            !placed[slot].contains { field.zone(of: $0) == field.zone(of: taker) }
        }
    }

    private func hasRoom(_ node: Int, for slot: Int) -> Bool {
        load[node] + field.loads[slot] <= bound * field.fairLoad(of: node)
    }

    private mutating func put(_ slot: Int, at node: Int) {
        let old = assignment[slot]
        if old != PlacementField.gone {
            load[old] -= field.loads[slot]
            slots[old].remove(slot)
        }
        assignment[slot] = node
        load[node] += field.loads[slot]
        slots[node].insert(slot)
    }

    // MARK: The steps

    private mutating func keep(_ slot: Int, isPinned: Bool) {
        if rank == 0 {
            guard let holder = copies[slot].first, holder != PlacementField.gone else { return }
            if isPinned || field.takers.contains(sorted: holder) { put(slot, at: holder) }
            return
        }
        // The first copy that is not placed in a lower rank already.
        for node in copies[slot] where node != PlacementField.gone {
            if field.takers.contains(sorted: node), isAllowed(slot, node) { return put(slot, at: node) }
        }
    }

    /// Where a slot without a node goes.
    private func home(for slot: Int) -> Int {
        // Never empty: there are fewer ranks below than takers, and a zone excludes a taker only in favour of another.
        let candidates = field.takers.filter { isAllowed(slot, $0) }
        let holders = candidates.filter { copies[slot].contains($0) && hasRoom($0, for: slot) }
        if let nearest = nearest(holders, to: slot) { return nearest }
        if let nearest = nearest(candidates.filter { hasRoom($0, for: slot) }, to: slot) { return nearest }
        // No one has room for so heavy a slot: of those under their fair share, the one that it loads least.
        let light = candidates.filter { load[$0] < field.fairLoad(of: $0) }
        return (light.isEmpty ? candidates : light).min { left, right in
            let (leftLoad, rightLoad) = (relativeLoad(left, with: slot), relativeLoad(right, with: slot))
            return leftLoad == rightLoad ? left < right : leftLoad < rightLoad
        } ?? field.takers[0]
    }

    private func nearest(_ candidates: [Int], to slot: Int) -> Int? {
        var best: (distance: Double, node: Int)?
        for node in candidates {
            let distance = field.distance(slot, node)
            if let found = best, (found.distance, found.node) < (distance, node) { continue }
            best = (distance, node)
        }
        return best?.node
    }

    private func relativeLoad(_ node: Int, with slot: Int? = nil) -> Double {
        (load[node] + (slot.map { field.loads[$0] } ?? 0)) / Double(field.nodes[node].weight)
    }

    /// Brings nodes over the bound under it.
    private mutating func shed(_ pinned: [Bool]) {
        let over = field.takers.filter { isOver($0) }
            .sorted { (-relativeLoad($0), $0) < (-relativeLoad($1), $1) }
        for source in over {
            // Nearest to their new node first: what the hash would have moved.
            var moves: [(gain: Double, slot: Int)] = slots[source].filter { !pinned[$0] && field.loads[$0] > 0 }
                .compactMap { slot in
                    destination(for: slot, from: source).map {
                        (field.distance(slot, $0) / field.distance(slot, source), slot)
                    }
                }
            moves.sort { $0 < $1 }
            for (_, slot) in moves {
                guard isOver(source) else { break }
                if let destination = destination(for: slot, from: source) { put(slot, at: destination) }
            }
        }
    }

    /// Where an overloaded node may send a slot: the nearest with room, else where it weighs less than it does here.
    private func destination(for slot: Int, from source: Int) -> Int? {
        let candidates = field.takers.filter { $0 != source && isAllowed(slot, $0) }
        if let nearest = nearest(candidates.filter { hasRoom($0, for: slot) }, to: slot) { return nearest }
        let least = candidates.min { (relativeLoad($0, with: slot), $0) < (relativeLoad($1, with: slot), $1) }
        guard let least, relativeLoad(least, with: slot) < relativeLoad(source) else { return nil }
        return least
    }

    /// Brings nodes under the lower bound over it.
    private mutating func fill(_ pinned: [Bool]) {
        let under = field.takers.filter { isUnder($0) }
            .sorted { (relativeLoad($0), $0) < (relativeLoad($1), $1) }
        for taker in under {
            var offers: [(distance: Double, slot: Int)] = []
            for source in field.takers where source != taker {
                for slot in slots[source] where !pinned[slot] && field.loads[slot] > 0 && isAllowed(slot, taker) {
                    offers.append((field.distance(slot, taker) / field.distance(slot, source), slot))
                }
            }
            offers.sort { $0 < $1 }
            // First from those that stay above the lower bound; then from those that stay no poorer than the taker.
            for mayImpoverish in [false, true] {
                for (_, slot) in offers where assignment[slot] != taker {
                    guard isUnder(taker) else { break }
                    if canGive(slot, to: taker, mayImpoverish: mayImpoverish) { put(slot, at: taker) }
                }
            }
        }
    }

    // Slots are not split: a node is outside the bound when it is so by a whole mean slot.
    private func isOver(_ node: Int) -> Bool { load[node] >= bound * field.fairLoad(of: node) + field.meanLoad }
    private func isUnder(_ node: Int) -> Bool { load[node] <= field.fairLoad(of: node) / bound - field.meanLoad }

    private func canGive(_ slot: Int, to taker: Int, mayImpoverish: Bool) -> Bool {
        let source = assignment[slot]
        let rest = (load[source] - field.loads[slot]) / Double(max(1, field.nodes[source].weight))
        let gained = relativeLoad(taker, with: slot)
        if mayImpoverish { return gained <= rest }
        return rest * bound >= field.totalLoad / field.totalWeight
            && (hasRoom(taker, for: slot) || gained < relativeLoad(source))
    }
}

extension [Int] {
    /// Whether the sorted array has `value`.
    fileprivate func contains(sorted value: Int) -> Bool {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low] == value
    }
}

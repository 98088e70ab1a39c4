import Identity
import Placement
import Testing

@Suite struct PlanMovementTests {
    static let sizes = [1, 2, 3, 4, 5, 7, 10, 16, 33, 64, 100, 250, 500, 999]

    @Test(arguments: sizes)
    func aPlanIsAtRestByItself(size: Int) throws {
        let nodes = nodes(size)
        let rows = try plan(nodes: nodes)
        #expect(try plan(nodes: nodes, current: rows) == rows)
    }

    @Test(arguments: sizes)
    func aNodeThatJoinsTakesFewSlotsAndOthersSwapNone(size: Int) throws {
        let before = try plan(nodes: nodes(size))
        let grown = nodes(size + 1)
        let after = try plan(nodes: grown, current: before)
        let moves = primaryMoves(before, after)
        let fewest = fewestMoves(from: before, to: grown, bound: 1.1)
        #expect(moves <= fewest + 1 + fewest / 10, "moved \(moves), the fewest possible are \(fewest)")
        let fair = 1024 / Double(size + 1)
        #expect(Balance(after, grown).load.values.allSatisfy { $0 <= (1.1 * fair).rounded(.up) })
    }

    @Test(arguments: sizes.dropFirst())
    func aNodeThatLeavesMovesLittleBesideItsOwnSlots(size: Int) throws {
        let all = nodes(size)
        let before = try plan(nodes: all)
        let rest = Array(all.dropLast())
        let after = try plan(nodes: rest, current: before)
        let own = before.count { $0.primary == all.last?.id }
        let moves = primaryMoves(before, after)
        #expect(moves >= own)
        #expect(moves <= own + max(1, own / 5), "moved \(moves), of which its own \(own)")
        let fair = 1024 / Double(size - 1)
        #expect(Balance(after, rest).load.values.allSatisfy { $0 <= (1.1 * fair).rounded(.up) })
        #expect(after.allSatisfy { $0.primary != all.last?.id })
    }

    @Test func aClusterThatGrowsAndShrinksStaysBalanced() throws {
        var generator = SplitMix64(state: 7)
        var members = nodes(5)
        var rows = try plan(nodes: members)
        for step in 0..<40 {
            if members.count > 3, Bool.random(using: &generator) {
                members.remove(at: Int.random(in: 0..<members.count, using: &generator))
            } else {
                members.append(PlacementNode(id: NodeID(rawValue: "late-\(step)")!))
            }
            rows = try plan(nodes: members, current: rows)
            #expect(Balance(rows, members).worstExcess(bound: 1.1) < 1)
            let known = Set(members.map(\.id))
            #expect(rows.allSatisfy { known.contains($0.nodes[0]) })
        }
    }

    @Test func theOrderOfTheInputDoesNotMatter() throws {
        let members = nodes(20, weight: { 100 + $0 }, zones: 3)
        let settings = PlacementSettings(replicationFactor: 3)
        let first = try plan(nodes: members, settings: settings)
        #expect(try plan(nodes: members.reversed(), settings: settings) == first)
        let grown = members + [PlacementNode(id: NodeID(rawValue: "new")!, zone: "zone-1")]
        let next = try plan(nodes: grown, current: first, settings: settings)
        #expect(try plan(nodes: grown.reversed(), current: first.reversed(), settings: settings) == next)
    }

    @Test func drainingNodesGetNothingAndGiveEverything() throws {
        var members = nodes(6)
        let before = try plan(nodes: members)
        members[2].isDraining = true
        let after = try plan(nodes: members, current: before)
        #expect(after.allSatisfy { !$0.nodes.contains(members[2].id) })
        #expect(try plan(nodes: members).allSatisfy { $0.nodes != [members[2].id] })
        #expect(Balance(after, members).worstExcess(bound: 1.1) < 1)
    }

    @Test func aNodeWithoutWeightGetsNothing() throws {
        var members = nodes(3)
        members[0].weight = 0
        #expect(try plan(nodes: members).allSatisfy { $0.primary != members[0].id })
    }

    @Test func pinnedSlotsStayWhateverHappensToTheirNode() throws {
        var members = nodes(4)
        var before = try plan(nodes: members)
        let pinned = before.indices.filter { before[$0].primary == members[0].id }.prefix(40)
        for slot in pinned { before[slot].isPinned = true }
        members[0].isDraining = true
        let drained = try plan(nodes: members, current: before)
        for slot in drained.indices {
            #expect((drained[slot].primary == members[0].id) == pinned.contains(slot))
            #expect(drained[slot].isPinned == pinned.contains(slot))
        }
        // Gone altogether, it cannot keep them.
        let gone = try plan(nodes: Array(members.dropFirst()), current: drained)
        #expect(gone.allSatisfy { $0.primary != members[0].id })
    }

    @Test func pinnedSlotsStayOnAnOverloadedNode() throws {
        let members = nodes(4)
        let crowded = Slot.all.map { PlacementRow(slot: $0, nodes: [members[0].id], isPinned: true) }
        #expect(try plan(nodes: members, current: crowded) == crowded)
    }
}

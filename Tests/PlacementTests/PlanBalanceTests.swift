import Identity
import Placement
import Testing

@Suite struct PlanBalanceTests {
    static let sizes = [1, 2, 3, 4, 5, 7, 10, 16, 33, 64, 100, 250, 500, 1000]

    @Test(arguments: sizes)
    func everyNodeIsWithinTheBoundOfItsFairShare(size: Int) throws {
        let nodes = nodes(size)
        let rows = try plan(nodes: nodes)
        #expect(rows.map(\.slot) == Slot.all)
        #expect(rows.allSatisfy { $0.nodes.count == 1 })
        let balance = Balance(rows, nodes)
        for (node, load) in balance.load {
            let fair = try #require(balance.fair[node])
            #expect(load <= (1.1 * fair).rounded(.up), "\(node)")
            #expect(load >= (fair / 1.1).rounded(.down), "\(node)")
        }
    }

    @Test(arguments: [2, 3, 10, 100, 300])
    func unequalWeightsGetTheirShare(size: Int) throws {
        let nodes = nodes(size, weight: { [50, 100, 200, 400][$0 % 4] })
        let balance = Balance(try plan(nodes: nodes), nodes)
        #expect(balance.worstExcess(bound: 1.1) < 1)
    }

    @Test(arguments: [2, 3, 10, 100, 300], [1, 2, 3] as [UInt64])
    func measuredLoadsSteerNotCounts(size: Int, seed: UInt64) throws {
        let nodes = nodes(size)
        let loads = heavyTail(seed: seed)
        let balance = Balance(try plan(nodes: nodes, loads: loads), nodes, loads: loads)
        #expect(balance.worstExcess(bound: 1.1) < balance.heaviest)
        // A node that holds several of the heaviest slots' weight is held to the bound itself.
        if size <= 10 { #expect(balance.worstExcess(bound: 1.1) <= 0.001) }
    }

    @Test func loadsThatShiftAreFollowed() throws {
        let nodes = nodes(10)
        let before = try plan(nodes: nodes)
        var loads = Array(repeating: 1.0, count: 1024)
        // Everything that the first node holds grows threefold.
        for row in before where row.primary == nodes[0].id { loads[Int(row.slot.rawValue)] = 3 }
        let after = try plan(nodes: nodes, loads: loads, current: before)
        #expect(Balance(before, nodes, loads: loads).worstExcess(bound: 1.1) > 100)
        #expect(Balance(after, nodes, loads: loads).worstExcess(bound: 1.1) <= 0.001)
        #expect(primaryMoves(before, after) < 130)
    }

    @Test func slotsWithoutAnyLoadCountAlike() throws {
        let nodes = nodes(4)
        let rows = try plan(nodes: nodes, loads: Array(repeating: 0, count: 1024))
        #expect(rows == (try plan(nodes: nodes)))
    }

    @Test func nobodyToTakeASlotIsAnError() {
        #expect(throws: PlacementFailure.noNodes) { try plan(nodes: []) }
        var drained = nodes(2)
        for index in drained.indices { drained[index].isDraining = true }
        #expect(throws: PlacementFailure.noNodes) { try plan(nodes: drained) }
    }

    @Test func nonsenseIsRefused() {
        #expect(throws: PlacementFailure.self) { try plan(nodes: nodes(2), loads: [1]) }
        #expect(throws: PlacementFailure.self) {
            try plan(nodes: nodes(2), loads: Array(repeating: -1, count: 1024))
        }
        #expect(throws: PlacementFailure.self) {
            try plan(nodes: nodes(2), settings: PlacementSettings(bound: 0.9))
        }
        #expect(throws: PlacementFailure.duplicateNode(NodeID(rawValue: "guild-1")!)) {
            try plan(nodes: nodes(1) + nodes(1))
        }
    }
}

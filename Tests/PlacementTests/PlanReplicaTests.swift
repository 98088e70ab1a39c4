import Identity
import Placement
import Testing

@Suite struct PlanReplicaTests {
    private func zone(_ node: NodeID, _ nodes: [PlacementNode]) -> String { nodes.first { $0.id == node }?.zone ?? "" }

    @Test(arguments: [(3, 3), (6, 3), (9, 3), (10, 5), (30, 3), (100, 4)])
    func copiesLieInDistinctZones(size: Int, zones: Int) throws {
        let members = nodes(size, zones: zones)
        let rows = try plan(nodes: members, settings: PlacementSettings(replicationFactor: 3))
        for row in rows {
            #expect(row.nodes.count == 3)
            #expect(Set(row.nodes).count == 3)
            #expect(Set(row.nodes.map { zone($0, members) }).count == 3, "slot \(row.slot)")
        }
        for rank in 0..<3 { #expect(Balance(rows, members, rank: rank).worstExcess(bound: 1.1) < 1, "rank \(rank)") }
    }

    @Test func withFewerZonesThanCopiesAllZonesAreUsed() throws {
        let members = nodes(8, zones: 2)
        let rows = try plan(nodes: members, settings: PlacementSettings(replicationFactor: 3))
        for row in rows {
            #expect(Set(row.nodes).count == 3)
            #expect(Set(row.nodes.map { zone($0, members) }).count == 2)
        }
    }

    @Test func withFewerNodesThanCopiesEachHoldsOne() throws {
        let rows = try plan(nodes: nodes(2), settings: PlacementSettings(replicationFactor: 3))
        #expect(rows.allSatisfy { Set($0.nodes).count == 2 && $0.nodes.count == 2 })
    }

    @Test func aLostPrimaryIsFollowedByAReplica() throws {
        let members = nodes(6, zones: 3)
        let settings = PlacementSettings(replicationFactor: 3)
        let before = try plan(nodes: members, settings: settings)
        let after = try plan(nodes: Array(members.dropFirst()), current: before, settings: settings)
        var promoted = 0
        var orphans = 0
        for (old, new) in zip(before, after) where old.primary == members[0].id {
            orphans += 1
            if let primary = new.primary, old.nodes.contains(primary) { promoted += 1 }
        }
        #expect(orphans > 100)
        #expect(promoted * 10 >= orphans * 9, "\(promoted) of \(orphans)")
    }

    @Test func aReplicaThatSharesAZoneMovesAwayOnceThereIsAnother() throws {
        var members = nodes(4, zones: 1)
        let settings = PlacementSettings(replicationFactor: 2)
        let before = try plan(nodes: members, settings: settings)
        for number in 5...8 { members.append(PlacementNode(id: NodeID(rawValue: "guild-\(number)")!, zone: "zone-b")) }
        let after = try plan(nodes: members, current: before, settings: settings)
        for row in after { #expect(Set(row.nodes.map { zone($0, members) }).count == 2) }
    }

    @Test func nodesWithoutAZoneAreDomainsOfTheirOwn() throws {
        let rows = try plan(nodes: nodes(5), settings: PlacementSettings(replicationFactor: 3))
        #expect(rows.allSatisfy { Set($0.nodes).count == 3 })
    }

    @Test func aDrainingNodeHoldsNoReplica() throws {
        var members = nodes(5)
        let settings = PlacementSettings(replicationFactor: 3)
        let before = try plan(nodes: members, settings: settings)
        members[1].isDraining = true
        let after = try plan(nodes: members, current: before, settings: settings)
        #expect(after.allSatisfy { !$0.nodes.contains(members[1].id) && Set($0.nodes).count == 3 })
    }
}

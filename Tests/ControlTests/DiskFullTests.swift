import Identity
import Placement
import Routing
import Testing

@testable import Control

@Suite("Nodes whose disks are nearly full", .timeLimit(.minutes(5)))
struct DiskFullTests {
    private let three = nodes("guild-1", "guild-2", "guild-3")

    private func setFull(_ isFull: Bool, _ id: NodeID, _ cluster: inout ControlledCluster) {
        for index in cluster.situation.nodes.indices where cluster.situation.nodes[index].id == id {
            cluster.situation.nodes[index].isDiskFull = isFull
        }
    }

    @Test("they keep their copies, lead nothing, and lead again when there is space")
    func primacies() {
        var cluster = ControlledCluster(three, minimum: 2)
        cluster.situation.responsive = Set(three)
        let led = Set(cluster.situation.rows.filter { $0.primary == three[1] }.map(\.slot))
        setFull(true, three[1], &cluster)
        var settles = cluster.run()
        #expect(settles && cluster.mostCopies == 0)
        #expect(cluster.primaries(three[1]) == 0 && cluster.copies(three[1]) == 1024)
        setFull(false, three[1], &cluster)
        cluster.step()
        cluster.now += Controller.Limits().returnDelay
        settles = cluster.run()
        #expect(settles)
        #expect(Set(cluster.situation.rows.filter { $0.primary == three[1] }.map(\.slot)) == led)
    }

    @Test("when all are, nothing moves")
    func everywhere() {
        var cluster = ControlledCluster(three, minimum: 2)
        for id in three { setFull(true, id, &cluster) }
        let actions = cluster.step()
        #expect(actions.isEmpty)
    }

    @Test("they get no new copies: neither to repair, nor by a rebalance, nor by an operator's move")
    func copies() async throws {
        var cluster = ControlledCluster(three, minimum: 2)
        cluster.register(node("guild-4"))
        cluster.register(node("guild-5"))
        setFull(true, node("guild-4"), &cluster)
        let plan = try RebalancePlan.make(
            rows: cluster.situation.rows, nodes: cluster.situation.nodes, departures: NodeDepartures(),
            settings: ClusterSettings(), book: LoadBook())
        #expect(!plan.moves.isEmpty && plan.moves.allSatisfy { !$0.to.contains(node("guild-4")) })
        #expect(plan.balance.first { $0.node == node("guild-4") }?.after == RebalancePlan.Share())
        cluster.situation.departures.draining = [three[0]]
        let settles = cluster.run()
        #expect(settles && cluster.copies(node("guild-4")) == 0 && cluster.copies(node("guild-5")) == 1024)

        let live = try await LiveControl(three, factor: 3, minimum: 2)
        try await live.register(node("guild-4"), isDiskFull: true)
        let failure = await #expect(throws: ControlFailure.self) {
            try await live.control.move(Slot(truncating: 0), to: node("guild-4"))
        }
        #expect("\(try #require(failure))".contains("nearly full"))
        #expect(try await live.control.overview().diskFull == [node("guild-4")])
    }
}

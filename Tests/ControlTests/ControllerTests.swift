import Identity
import Placement
import Testing

@testable import Control

@Suite("The controller", .timeLimit(.minutes(5)))
struct ControllerTests {
    private let three = nodes("guild-1", "guild-2", "guild-3")

    @Test("a cluster that grows from one node to three gets more copies and a higher minimum; primaries stay")
    func growth() {
        var cluster = ControlledCluster(nodes("guild-1"))
        let settles = cluster.run()
        #expect(settles && cluster.situation.rows.allSatisfy { $0.minimum == 1 && $0.inSync.count == 1 })
        cluster.register(node("guild-2"))
        let settlesAgain = cluster.run()
        #expect(settlesAgain)
        #expect(cluster.situation.rows.allSatisfy { $0.minimum == 2 && $0.inSync.count == 2 })
        #expect(cluster.primaries(node("guild-1")) == 1024)
        cluster.register(node("guild-3"))
        let settlesAtLast = cluster.run()
        #expect(settlesAtLast)
        #expect(cluster.situation.rows.allSatisfy { $0.minimum == 2 && $0.inSync.count == 3 })
        #expect(cluster.primaries(node("guild-1")) == 1024)
        #expect(cluster.mostCopies <= Controller.Limits().repairs)
    }

    @Test("the minimum is not lowered by itself when nodes are lost")
    func minimum() {
        var cluster = ControlledCluster(three, minimum: 2)
        cluster.lose(three[1])
        cluster.lose(three[2])
        let isAtRest = cluster.step().isEmpty
        #expect(isAtRest)
    }

    @Test("an operator's lower minimum takes eligible nodes off their right to stand, while the primary lives")
    func lowering() {
        var cluster = ControlledCluster(nodes("guild-1", "guild-2"), minimum: 2)
        for index in cluster.situation.rows.indices {
            let row = cluster.situation.rows[index]
            let other = row.inSync.first { $0 != row.primary }!
            (cluster.situation.rows[index].inSync, cluster.situation.rows[index].eligible) = ([row.primary], [other])
        }
        cluster.situation.settings.minimum = 1
        cluster.situation.responsive = [node("guild-1")]
        cluster.step()
        for row in cluster.situation.rows {
            if row.primary == node("guild-1") {
                #expect(row.minimum == 1 && row.eligible.isEmpty && row.learners == [node("guild-2")])
            } else {
                #expect(row.minimum == 2 && row.eligible == [node("guild-1")])
            }
        }
        cluster.situation.settings.minimum = 0
        cluster.step()
        #expect(cluster.situation.rows.contains { $0.minimum == 1 }, "one node in sync commits nothing at two")
    }

    @Test("a drained node is emptied onto the others, evenly, and new copies go to other zones")
    func drain() {
        let five = nodes("a-1", "a-2", "b-1", "b-2", "c-1")
        var cluster = ControlledCluster(five, factor: 3, minimum: 2)
        cluster.situation.nodes = five.map { record($0, zone: String($0.rawValue.prefix(1))) }
        // Two of three copies in one zone is what this row begins with.
        cluster.situation.departures.draining = [five[0]]
        let settles = cluster.run()
        #expect(settles)
        #expect(cluster.copies(five[0]) == 0 && cluster.situation.rows.allSatisfy { $0.inSync.count == 3 })
        #expect(cluster.mostCopies <= Controller.Limits().repairs)
        let copies = five[1...].map { cluster.copies($0) }
        #expect(copies.reduce(0, +) == 3 * 1024 && copies.allSatisfy { $0 > 600 })
        cluster.situation.departures.draining = []
        let isAtRest = cluster.step().isEmpty
        #expect(isAtRest, "an undrained node is filled by a rebalance only")
    }

    @Test("a drain that would leave a slot below its minimum is not begun, and says why")
    func hopelessDrain() {
        var cluster = ControlledCluster(nodes("guild-1", "guild-2"), minimum: 2)
        cluster.situation.departures.draining = nodes("guild-2").reduce(into: []) { $0.insert($1) }
        for _ in 0..<5 { cluster.step() }
        #expect(cluster.changes == 0)
        #expect(cluster.controller.obstacles.count == 1024)
    }

    @Test("a node that is being stopped hands its primacies over and keeps its copies")
    func stopping() {
        var cluster = ControlledCluster(three, minimum: 2)
        cluster.situation.nodes[0].isDraining = true
        let settles = cluster.run()
        #expect(settles)
        #expect(cluster.primaries(three[0]) == 0 && cluster.copies(three[0]) == 1024)
        #expect(cluster.mostCopies == 0)
        #expect(abs(cluster.primaries(three[1]) - cluster.primaries(three[2])) <= 1)
    }

    @Test("what a lost node held is made anew after the delay, and not before")
    func repair() {
        let four = three + [node("guild-4")]
        var cluster = ControlledCluster(four, factor: 3, minimum: 2)
        // Its slots have been taken over by others, as campaigns do.
        let lost = four[3]
        cluster.takeOver(from: lost)
        cluster.lose(lost)
        cluster.step()
        cluster.now += .seconds(590)
        let isAtRest = cluster.step().isEmpty
        #expect(isAtRest)
        cluster.now += .seconds(15)
        let settles = cluster.run()
        #expect(settles)
        #expect(cluster.copies(lost) == 0 && cluster.situation.rows.allSatisfy { $0.inSync.count == 3 })
    }

    @Test("a node that comes back in time keeps its slots, and its absence is forgotten")
    func comesBack() {
        let four = three + [node("guild-4")]
        var cluster = ControlledCluster(four, factor: 3, minimum: 2)
        cluster.lose(four[3])
        for _ in 0..<3 {
            cluster.step()
            cluster.now += .seconds(500)
            cluster.register(four[3])
            cluster.step()
            cluster.lose(four[3])
        }
        #expect(cluster.changes == 0)
    }

    @Test("when half of the nodes are gone nothing is made anew by itself, but a removed node is replaced at once")
    func massLoss() {
        let four = three + [node("guild-4")]
        var cluster = ControlledCluster(four, factor: 2, minimum: 1)
        cluster.situation.settings.replicationFactor = 2
        cluster.situation.settings.minimum = 1
        for id in four[2...] {
            cluster.lose(id)
            cluster.takeOver(from: id)
        }
        cluster.step()
        cluster.now += .seconds(3600)
        let isAtRest = cluster.step().isEmpty
        #expect(isAtRest)
        cluster.situation.departures.removed = [four[3]]
        let changed = cluster.step().count
        #expect(changed == Controller.Limits().repairs)
    }

    @Test("a repair delay of zero means never")
    func neverRepair() {
        var cluster = ControlledCluster(three + [node("guild-4")], factor: 3, minimum: 2)
        cluster.situation.settings.repairDelay = .zero
        cluster.lose(node("guild-4"))
        cluster.step()
        cluster.now += .seconds(86_400)
        let isAtRest = cluster.step().isEmpty
        #expect(isAtRest)
    }

    @Test("while the map is being made nothing is decided")
    func unfinishedMap() {
        var cluster = ControlledCluster(three)
        cluster.situation.rows.removeLast()
        let isAtRest = cluster.step().isEmpty
        #expect(isAtRest)
    }
}

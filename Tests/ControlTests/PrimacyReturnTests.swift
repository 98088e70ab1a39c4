import Identity
import Placement
import Testing

@testable import Control

@Suite("Primacies return", .timeLimit(.minutes(5)))
struct PrimacyReturnTests {
    private let three = nodes("guild-1", "guild-2", "guild-3")

    /// A cluster whose first node has failed, has lost its slots, and is registered again.
    private func failedOver() -> (cluster: ControlledCluster, led: Set<Slot>) {
        var cluster = ControlledCluster(three, minimum: 2)
        let led = Set(cluster.situation.rows.filter { $0.primary == three[0] }.map(\.slot))
        cluster.situation.responsive = Set(three[1...])
        cluster.lose(three[0])
        cluster.takeOver(from: three[0])
        cluster.step()
        cluster.register(three[0])
        cluster.situation.responsive = Set(three)
        return (cluster, led)
    }

    private mutating func rejoin(_ cluster: inout ControlledCluster) {
        for index in cluster.situation.rows.indices where cluster.situation.rows[index].learners == [three[0]] {
            cluster.situation.rows[index].learners = []
            cluster.situation.rows[index].inSync.append(three[0])
        }
    }

    @Test("a node that failed leads its slots again once it is in sync and has answered for a while, some at a time")
    mutating func afterFailure() {
        var (cluster, led) = failedOver()
        cluster.step()
        cluster.now += Controller.Limits().returnDelay
        let waits = cluster.step().isEmpty
        #expect(waits, "it is a learner still")
        rejoin(&cluster)
        cluster.step()
        #expect(cluster.situation.rows.count { !$0.target.isEmpty } == Controller.Limits().returns)
        #expect(cluster.situation.rows.allSatisfy { $0.target.isEmpty || led.contains($0.slot) })
        let settles = cluster.run()
        #expect(settles && cluster.mostTargets == Controller.Limits().returns && cluster.mostCopies == 0)
        #expect(Set(cluster.situation.rows.filter { $0.primary == three[0] }.map(\.slot)) == led)
        let isAtRest = cluster.step().isEmpty
        #expect(isAtRest)
    }

    @Test("one that answers and falls silent again waits anew")
    mutating func flapping() {
        var (cluster, _) = failedOver()
        rejoin(&cluster)
        for _ in 0..<4 {
            cluster.situation.responsive = Set(three)
            cluster.step()
            cluster.now += Controller.Limits().returnDelay / 2
            cluster.step()
            cluster.situation.responsive = Set(three[1...])
            cluster.step()
        }
        #expect(cluster.changes == 0)
    }

    @Test("a node that was stopped gets back what it handed over; one that is emptied does not")
    mutating func afterStop() {
        for isEmptied in [false, true] {
            var cluster = ControlledCluster(three, minimum: 2)
            let led = cluster.situation.rows.filter { $0.primary == three[0] }.map(\.slot)
            cluster.situation.responsive = Set(three)
            cluster.situation.nodes[0].isDraining = true
            let settles = cluster.run()
            #expect(settles && cluster.primaries(three[0]) == 0)
            if isEmptied { cluster.situation.departures.draining = [three[0]] }
            cluster.situation.nodes[0].isDraining = false
            cluster.step()
            cluster.now += Controller.Limits().returnDelay
            let settlesAgain = cluster.run()
            #expect(settlesAgain)
            #expect(cluster.situation.rows.filter { $0.primary == three[0] }.map(\.slot) == (isEmptied ? [] : led))
        }
    }

    @Test("restarting every node, one after the other, leaves each with what it led")
    mutating func rollingRestart() {
        var cluster = ControlledCluster(three, minimum: 2)
        let before = cluster.situation.rows.map(\.primary)
        cluster.situation.responsive = Set(three)
        for index in three.indices {
            cluster.situation.nodes[index].isDraining = true
            let settles = cluster.run()
            #expect(settles)
            cluster.situation.nodes[index].isDraining = false
        }
        cluster.step()
        cluster.now += Controller.Limits().returnDelay
        let settles = cluster.run()
        #expect(settles && cluster.situation.rows.map(\.primary) == before)
    }

    @Test("a rebalance decides anew where slots are at home")
    mutating func rebalance() throws {
        var (cluster, _) = failedOver()
        rejoin(&cluster)
        _ = try cluster.planJob()
        let settles = cluster.run()
        #expect(settles)
        let after = cluster.situation.rows.map(\.primary)
        cluster.now += Controller.Limits().returnDelay
        let isAtRest = cluster.run()
        #expect(isAtRest && cluster.situation.rows.map(\.primary) == after)
        #expect(cluster.situation.rows.allSatisfy { $0.home == nil || $0.home == $0.primary })
    }
}

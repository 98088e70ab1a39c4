import Coordination
import Identity
import NIOCore
import Placement
import Routing
import Testing

@Suite(.timeLimit(.minutes(5))) struct ClusterMemberTests {
    @Test(arguments: CoordinatorKind.local)
    func membersSeeEachOtherComeAndGo(kind: CoordinatorKind) async throws {
        let fixture = try await ClusterFixture(kind)
        let first = try await fixture.member("a")
        var changes = first.changes().makeAsyncIterator()
        let second = try await fixture.member("b", roles: [.gateway])
        #expect(second.nodes.map(\.id.rawValue) == ["a", "b"], "a new member knows those before it, and itself")
        #expect(await changes.next() == .node(await second.node))
        try await until { first.node(second.id) != nil }
        await second.leave()
        #expect(await changes.next() == .nodeGone(second.id))
        #expect(first.nodes.map(\.id) == [first.id])
    }

    @Test func aMemberThatDiesVanishesWithItsLease() async throws {
        let fixture = try await ClusterFixture()
        let first = try await fixture.member("a")
        let lease = try await fixture.embedded.grantLease(.seconds(5))
        let dead = NodeRecord(id: NodeID(rawValue: "dead")!, roles: [.guild], host: "h", port: 1)
        _ = try await fixture.embedded.commit(
            CoordinatorTransaction(operations: [.put(CoordinatorKey.node(dead.id), dead.encoded(), lease: lease)]))
        try await until { first.node(dead.id) != nil }
        fixture.coordination.clock.advance(by: .seconds(5))
        try await until { first.node(dead.id) == nil }
        #expect(first.node(first.id) != nil)
    }

    @Test func aLivingMemberOutlivesItsLease() async throws {
        let fixture = try await ClusterFixture()
        let coordinator = KeepAliveCounter(fixture.embedded)
        let member = try await fixture.member("a", lease: .milliseconds(300), coordinator: coordinator)
        let registered = try #require(try await fixture.embedded.get(CoordinatorKey.node(member.id)))
        for _ in 0..<6 {
            let renewals = coordinator.count
            // The second from here has begun, and so extends the lease, after the clock's last step.
            try await until { coordinator.count > renewals + 1 }
            fixture.coordination.clock.advance(by: .milliseconds(200))
        }
        #expect(member.isRegistered)
        let record = try await fixture.embedded.get(CoordinatorKey.node(member.id))
        #expect(record == registered, "it never had to register again")
    }

    @Test func aMemberThatLostItsLeaseRegistersAgain() async throws {
        let fixture = try await ClusterFixture()
        let member = try await fixture.member("a", lease: .milliseconds(300))
        let key = CoordinatorKey.node(member.id)
        let registered = try #require(try await fixture.embedded.get(key))
        // Leases are granted in order, from 1.
        try await fixture.embedded.revoke(CoordinatorLease(id: 1, duration: .zero))
        var changes = fixture.embedded.watch(prefix: key, after: registered.revision).makeAsyncIterator()
        #expect(try #require(try await changes.next()).value == nil)
        #expect(try #require(try await changes.next()).value == registered.value)
        try await until { member.isRegistered && member.node(member.id) != nil }
    }

    @Test func theViewOutlivesTheCoordinator() async throws {
        let fixture = try await ClusterFixture(.remote)
        try await fixture.write(row(7, 1, "a"))
        let member = try await fixture.member("a")
        fixture.coordination.network.setDown(CoordinatorFixture.router, true)
        // It has looked for the coordinator, and not found it.
        try await until { fixture.coordination.network.refusals > 2 }
        #expect(member.row(Slot(truncating: 7)) == row(7, 1, "a"))
        #expect(member.node(member.id) != nil)
        try await fixture.write(row(7, 2, "b"))
        fixture.coordination.network.setDown(CoordinatorFixture.router, false)
        await member.waitForRow(Slot(truncating: 7), atLeast: Epoch(rawValue: 2), deadline: .distantFuture)
        #expect(member.row(Slot(truncating: 7)) == row(7, 2, "b"))
    }

    @Test func aChangeOfTheRecordWaitsForTheCoordinator() async throws {
        let fixture = try await ClusterFixture()
        let coordinator = FailingCoordinator(fixture.embedded, after: 1, failing: 2, isMade: false)
        let member = try await fixture.member("a", coordinator: coordinator)
        try await member.update(until: .distantFuture) { $0.weight = 3 }
        let entry = try #require(try await fixture.embedded.get(CoordinatorKey.node(member.id)))
        #expect(try NodeRecord(decoding: entry.value).weight == 3)
    }

    @Test func aChangeOfTheRecordDoesNotWaitBeyondItsDeadline() async throws {
        let fixture = try await ClusterFixture()
        let coordinator = FailingCoordinator(fixture.embedded, after: 1, isMade: false)
        let member = try await fixture.member("a", coordinator: coordinator)
        await #expect(throws: ClusterFailure.self) { try await member.update(until: .now()) { $0.weight = 3 } }
    }

    @Test func aCompactedHistoryIsBridgedByAListing() async throws {
        let fixture = try await ClusterFixture(.remote)
        let member = try await fixture.member("a")
        fixture.coordination.network.setDown(CoordinatorFixture.router, true)
        for number in 0...EmbeddedCoordinatorState.historyLimit / 50 {
            _ = try await fixture.embedded.commit(
                CoordinatorTransaction(
                    operations: (0..<60).map { .put("x/\(number)-\($0)", ByteBuffer(), lease: nil) }))
        }
        try await fixture.write(row(3, 5, "a"))
        fixture.coordination.network.setDown(CoordinatorFixture.router, false)
        await member.waitForRow(Slot(truncating: 3), atLeast: Epoch(rawValue: 5), deadline: .distantFuture)
        #expect(member.row(Slot(truncating: 3))?.epoch == Epoch(rawValue: 5))
    }

    @Test func aRowNeverGoesBack() async throws {
        let fixture = try await ClusterFixture()
        let member = try await fixture.member("a")
        try await fixture.write(row(1, 9, "a"))
        try await fixture.write(row(1, 8, "b"))
        try await fixture.write(row(2, 1, "a"))
        try await until { member.row(Slot(truncating: 2)) != nil }
        #expect(member.row(Slot(truncating: 1)) == row(1, 9, "a"))
    }

    @Test func theDrainMarkIsSeenAndKeptOverARegistration() async throws {
        let fixture = try await ClusterFixture()
        let observer = try await fixture.member("observer")
        let member = try await fixture.member("a", lease: .milliseconds(300))
        try await member.setDraining(true)
        try await until { observer.node(member.id)?.isDraining == true }
        let key = CoordinatorKey.node(member.id)
        let marked = try #require(try await fixture.embedded.get(key))
        try await fixture.embedded.revoke(CoordinatorLease(id: 2, duration: .zero))
        var changes = fixture.embedded.watch(prefix: key, after: marked.revision).makeAsyncIterator()
        #expect(try #require(try await changes.next()).value == nil)
        #expect(try #require(try await changes.next()).value == marked.value)
        // The observer has followed so far once it knows of what came later.
        try await fixture.write(row(1, 1, "a"))
        try await until { observer.row(Slot(truncating: 1)) != nil }
        #expect(observer.node(member.id)?.isDraining == true)
    }

    @Test func aNewerProcessUnderTheSameNameWins() async throws {
        let fixture = try await ClusterFixture()
        let old = try await fixture.member("a", startedAt: 1, lease: .milliseconds(300))
        let new = try await fixture.member("a", startedAt: 2, lease: .milliseconds(300))
        try await until { !old.isRegistered }
        await old.leave()
        #expect(try await fixture.embedded.get(CoordinatorKey.node(new.id))?.value == (await new.node).encoded())
        #expect(new.isRegistered)
    }

    @Test func theClockMovesInATestCluster() async throws {
        let fixture = try await ClusterFixture(isTest: true)
        let clocks = [WallClock(), WallClock()]
        let first = try await fixture.member("a", clock: clocks[0])
        try await first.setClockOffset(.seconds(-86_400 * 40))
        let second = try await fixture.member("b", clock: clocks[1])
        try await until { clocks.allSatisfy { $0.offset == .seconds(-86_400 * 40) } }
        _ = try await fixture.embedded.commit(
            CoordinatorTransaction(operations: [.delete(CoordinatorKey.clockOffset)]))
        try await until { clocks.allSatisfy { $0.offset == .zero } }
        withExtendedLifetime(second) {}
    }

    @Test func theClockStandsFirmInAnyOther() async throws {
        let fixture = try await ClusterFixture()
        let clock = WallClock()
        let member = try await fixture.member("a", clock: clock)
        await #expect(throws: ClusterFailure.notATestCluster) { try await member.setClockOffset(.seconds(1)) }
        _ = try await fixture.embedded.put(CoordinatorKey.clockOffset, "5000")
        try await fixture.write(row(0, 1, "a"))
        try await until { member.row(Slot(truncating: 0)) != nil }
        #expect(clock.offset == .zero)
    }

    @Test func waitingForARowEndsAtItsDeadlineAndWithItsTask() async throws {
        let fixture = try await ClusterFixture()
        let member = try await fixture.member("a")
        let slot = Slot(truncating: 5)
        await member.waitForRow(slot, atLeast: Epoch(rawValue: 1), deadline: .now() + .milliseconds(20))
        #expect(member.row(slot) == nil)
        let wait = Task { await member.waitForRow(slot, atLeast: Epoch(rawValue: 1), deadline: .distantFuture) }
        wait.cancel()
        await wait.value
        let left = Task { await member.waitForRow(slot, atLeast: Epoch(rawValue: 1), deadline: .distantFuture) }
        await member.leave()
        await left.value
    }

    @Test func aSlowConsumerGetsTheNewestOfEach() async throws {
        let fixture = try await ClusterFixture()
        let member = try await fixture.member("a")
        let changes = member.changes()
        for epoch in 1...50 as ClosedRange<UInt64> { try await fixture.write(row(epoch % 3, epoch, "a")) }
        try await until { member.row(Slot(truncating: 2))?.epoch == Epoch(rawValue: 50) }
        var iterator = changes.makeAsyncIterator()
        var seen: [ClusterChange] = []
        for _ in 0..<3 { seen.append(try #require(await iterator.next())) }
        #expect(Set(seen) == [.row(row(0, 48, "a")), .row(row(1, 49, "a")), .row(row(2, 50, "a"))])
        await member.leave()
        #expect(await iterator.next() == nil)
    }
}

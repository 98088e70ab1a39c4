import Coordination
import NIOCore
import Testing

/// What every coordinator promises (DESIGN §5). One test at a time: revisions are all keys', and an etcd is shared.
@Suite(.serialized, .timeLimit(.minutes(5))) struct CoordinatorSuite {
    @Test(arguments: CoordinatorKind.available)
    func whatIsPutIsReadWithItsRevision(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        #expect(try await coordinator.get("a") == nil)
        let first = try #require(try await coordinator.put("a", "1"))
        let second = try #require(try await coordinator.put("b", ""))
        #expect(second > first)
        #expect(
            try await coordinator.get("a")
                == CoordinatorEntry(key: "a", value: ByteBuffer(string: "1"), revision: first))
        #expect(try await coordinator.value("b") == "")
        #expect(try await coordinator.delete("a") ?? 0 > second)
        #expect(try await coordinator.get("a") == nil)
    }

    @Test(arguments: CoordinatorKind.available)
    func aListingHasThePrefixInKeyOrder(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        for key in ["slots/0010", "nodes/b", "slots/0002", "nodes/a", "slotted"] {
            _ = try await coordinator.put(key, key)
        }
        let listing = try await coordinator.list(prefix: "slots/")
        #expect(listing.entries.map(\.key) == ["slots/0002", "slots/0010"])
        #expect(try await coordinator.list(prefix: "").entries.count == 5)
        #expect(listing.revision == (try await coordinator.put("x", "x")).map { $0 - 1 })
        #expect(try await coordinator.list(prefix: "none/").entries.isEmpty)
    }

    @Test(arguments: CoordinatorKind.available)
    func aTransactionIsAllOrNothing(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        let revision = try #require(try await coordinator.put("a", "1"))
        let both: [CoordinatorTransaction.Operation] = [
            .put("a", ByteBuffer(string: "2"), lease: nil), .put("b", ByteBuffer(string: "2"), lease: nil),
        ]
        let stale = CoordinatorTransaction(
            conditions: [.revision("a", revision), .revision("b", 77)], operations: both)
        #expect(try await coordinator.commit(stale) == nil)
        #expect(try await coordinator.value("a") == "1")
        #expect(try await coordinator.value("b") == nil)
        let good = CoordinatorTransaction(conditions: [.revision("a", revision), .absent("b")], operations: both)
        let committed = try #require(try await coordinator.commit(good))
        #expect(try await coordinator.get("a")?.revision == committed)
        #expect(try await coordinator.get("b")?.revision == committed)
        // The same swap again loses: the revision has moved on.
        #expect(try await coordinator.commit(good) == nil)
    }

    @Test(arguments: CoordinatorKind.available)
    func ofManySwapsOfOneRevisionExactlyOneWins(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        let revision = try #require(try await coordinator.put("row", "0"))
        let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 1...16 {
                group.addTask {
                    try await coordinator.commit(
                        CoordinatorTransaction(
                            conditions: [.revision("row", revision)],
                            operations: [.put("row", ByteBuffer(string: "\(number)"), lease: nil)])) != nil
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(wins == 1)
    }

    @Test(arguments: CoordinatorKind.available)
    func malformedTransactionsAreRefused(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        let put = CoordinatorTransaction.Operation.put("a", ByteBuffer(), lease: nil)
        let many = (0...60).map { CoordinatorTransaction.Operation.put("\($0)", ByteBuffer(), lease: nil) }
        let long = ByteBuffer(repeating: 0, count: CoordinatorLimits.maximumValueLength + 1)
        for operations in [[], [put, put], many, [.delete("")], [.delete("ü")], [.put("a", long, lease: nil)]] {
            await #expect(throws: CoordinatorFailure.self) {
                try await coordinator.commit(CoordinatorTransaction(operations: operations))
            }
        }
        #expect(try await coordinator.list(prefix: "").entries.isEmpty)
        #expect(try await coordinator.commit(CoordinatorTransaction(operations: Array(many.dropLast()))) != nil)
    }

    // MARK: Leases

    @Test(arguments: CoordinatorKind.available)
    func keysVanishWithTheirLease(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        let lease = try await coordinator.grantLease(fixture.lease)
        _ = try await coordinator.put("nodes/a", "x", lease: lease)
        _ = try await coordinator.put("nodes/b", "x", lease: lease)
        let revision = try #require(try await coordinator.put("nodes/c", "x"))
        try await fixture.pass(0.6)
        try await coordinator.keepAlive(lease)
        try await fixture.pass(0.6)
        #expect(try await coordinator.list(prefix: "nodes/").entries.count == 3)
        fixture.passLease()
        #expect(try await take(2, of: coordinator.watch(prefix: "nodes/", after: revision)) == ["nodes/a", "nodes/b"])
        #expect(try await coordinator.list(prefix: "nodes/").entries.map(\.key) == ["nodes/c"])
        await #expect(throws: CoordinatorFailure.leaseExpired) { try await coordinator.keepAlive(lease) }
        await #expect(throws: CoordinatorFailure.leaseExpired) {
            try await coordinator.put("nodes/a", "x", lease: lease)
        }
    }

    @Test(arguments: CoordinatorKind.available)
    func aLeaseThatIsKeptAliveLasts(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        let kept = try await coordinator.grantLease(fixture.lease)
        _ = try await coordinator.put("kept", "x", lease: kept)
        // Another one ends twice meanwhile.
        for _ in 0..<2 {
            let left = try await coordinator.grantLease(fixture.lease)
            let revision = try #require(try await coordinator.put("left", "x", lease: left))
            for _ in 0..<2 {
                try await fixture.pass(0.6)
                try await coordinator.keepAlive(kept)
            }
            #expect(try await take(1, of: coordinator.watch(prefix: "", after: revision)) == ["left"])
            #expect(try await coordinator.value("kept") == "x")
        }
    }

    @Test(arguments: CoordinatorKind.available)
    func revokingALeaseTakesItsKeysAtOnce(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        let lease = try await coordinator.grantLease(.seconds(60))
        let other = try await coordinator.grantLease(.seconds(60))
        _ = try await coordinator.put("mine", "x", lease: lease)
        _ = try await coordinator.put("moved", "x", lease: lease)
        _ = try await coordinator.put("freed", "x", lease: lease)
        // The last put says which lease a key hangs on.
        _ = try await coordinator.put("moved", "y", lease: other)
        _ = try await coordinator.put("freed", "y")
        try await coordinator.revoke(lease)
        #expect(try await coordinator.list(prefix: "").entries.map(\.key) == ["freed", "moved"])
        try await coordinator.revoke(lease)
        await #expect(throws: CoordinatorFailure.leaseExpired) { try await coordinator.keepAlive(lease) }
    }

    // MARK: Watches

    @Test(arguments: CoordinatorKind.available)
    func aWatchSeesEveryChangeOfItsPrefixInOrder(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        let start = try #require(try await coordinator.put("k/0", "before"))
        let watch = Task { try await take(6, of: coordinator.watch(prefix: "k/", after: start)) }
        _ = try await coordinator.put("k/1", "a")
        _ = try await coordinator.put("other", "x")
        _ = try await coordinator.put("k/1", "b")
        _ = try await coordinator.commit(
            CoordinatorTransaction(operations: [
                .put("k/2", ByteBuffer(string: "c"), lease: nil), .delete("k/1"), .delete("k/none"),
                .put("k/3", ByteBuffer(string: "d"), lease: nil),
            ]))
        _ = try await coordinator.delete("k/0")
        #expect(try await watch.value == ["k/1=a", "k/1=b", "k/2=c", "k/1", "k/3=d", "k/0"])
    }

    @Test(arguments: CoordinatorKind.available)
    func aWatchFromThePastReplaysHistory(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        var revisions: [UInt64] = []
        for number in 0..<100 { revisions.append(try #require(try await coordinator.put("k", "\(number)"))) }
        #expect(
            try await take(60, of: coordinator.watch(prefix: "", after: revisions[39])) == (40..<100).map { "k=\($0)" })
    }

    @Test(arguments: CoordinatorKind.available)
    func aWatchBehindTheHistoryIsTold(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let coordinator = fixture.coordinator
        try await fixture.forgetHistory()
        await #expect(throws: CoordinatorFailure.compacted) {
            _ = try await take(1, of: coordinator.watch(prefix: "", after: 1))
        }
        // So is one that has seen a future which this coordinator does not know.
        let revision = try await coordinator.list(prefix: "none").revision
        await #expect(throws: CoordinatorFailure.compacted) {
            _ = try await take(1, of: coordinator.watch(prefix: "", after: revision + 10))
        }
    }

    @Test(arguments: CoordinatorKind.available)
    func aCancelledWatchEnds(kind: CoordinatorKind) async throws {
        let fixture = try await SuiteCoordinator(kind)
        let watch = Task { [coordinator = fixture.coordinator] in
            for try await _ in coordinator.watch(prefix: "", after: 0) {}
        }
        watch.cancel()
        try await watch.value
    }
}

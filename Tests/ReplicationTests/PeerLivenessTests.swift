import Identity
import Replication
import Testing

@Suite struct PeerLivenessTests {
    static let a = NodeID(rawValue: "a")!
    static let b = NodeID(rawValue: "b")!
    static let slot = Slot(truncating: 9)
    static let start = BootTime(nanoseconds: 50_000_000_000)

    static func node(_ id: NodeID, life: UInt64 = 1) -> PeerLiveness {
        var liveness = PeerLiveness(node: id, life: life, limits: ReplicationLimits(), now: start)
        liveness.setPeers([a, b], now: start)
        return liveness
    }

    static func claim(_ epoch: UInt64) -> PeerLiveness.Claim {
        PeerLiveness.Claim(slot: slot, epoch: Epoch(rawValue: epoch))
    }

    @Test func aLeaseRunsFromWhenTheBeaconWasSent() throws {
        var (one, other) = (Self.node(Self.a), Self.node(Self.b))
        let beacon = try #require(one.beacons({ _ in [Self.claim(4)] }, now: Self.start).first).beacon
        let later = Self.start + .milliseconds(900)
        let reply = other.received(beacon, from: Self.a, now: later)
        one.answered(by: Self.b, reply, now: later + .milliseconds(900))
        let lease = one.view(now: later).lease(from: Self.b, for: Self.slot)
        #expect(lease == Self.start + ReplicationLimits().lease)
        #expect(other.campaignTime(for: Self.slot) == later + ReplicationLimits().silence)
    }

    @Test func aNewClaimHasItsLeaseBeforeTheNextBeaconIsDue() throws {
        var (one, other) = (Self.node(Self.a), Self.node(Self.b))
        let first = try #require(one.beacons({ _ in [] }, now: Self.start).first).beacon
        one.answered(by: Self.b, other.received(first, from: Self.a, now: Self.start), now: Self.start)
        let now = Self.start + .milliseconds(20)
        #expect(one.beacons({ _ in [Self.claim(4)] }, now: now).isEmpty)
        let sent = one.beacon(to: Self.b, newClaims: [Self.claim(4)], now: now)
        let early = try #require(sent)
        one.answered(by: Self.b, other.received(early, from: Self.a, now: now), now: now)
        #expect(one.view(now: now).lease(from: Self.b, for: Self.slot) == now + ReplicationLimits().lease)
        #expect(other.campaignTime(for: Self.slot) == now + ReplicationLimits().silence)
        // The regular ones go on as they were, and answers to them are not lost among early ones.
        let next = Self.start + ReplicationLimits().beaconInterval
        let regular = try #require(one.beacons({ _ in [Self.claim(4)] }, now: next).first).beacon
        let more = (0..<100).map { _ in one.beacon(to: Self.b, newClaims: [Self.claim(4)], now: next) }
        #expect(more.contains { $0 == nil })
        let roundTrip = one.answered(by: Self.b, other.received(regular, from: Self.a, now: next), now: next)
        #expect(roundTrip == .zero)
    }

    @Test func nothingIsClaimedEarlyFromANodeThatDoesNotAnswer() {
        var node = Self.node(Self.a)
        let late = node.beacon(to: Self.b, newClaims: [Self.claim(4)], now: Self.start + .seconds(3))
        #expect(late == nil)
    }

    @Test func answersToAnEarlierLifeCountForNothing() throws {
        var (one, other) = (Self.node(Self.a), Self.node(Self.b))
        let beacon = try #require(one.beacons({ _ in [Self.claim(4)] }, now: Self.start).first).beacon
        let reply = other.received(beacon, from: Self.a, now: Self.start)
        var next = Self.node(Self.a, life: 2)
        _ = next.beacons({ _ in [Self.claim(4)] }, now: Self.start)
        next.answered(by: Self.b, reply, now: Self.start)
        #expect(next.view(now: Self.start).lease(from: Self.b, for: Self.slot) == .distantPast)
    }

    @Test func whoCampaignsPromisesNothingForOlderClaims() {
        var node = Self.node(Self.b)
        let mayEarly = node.mayCampaign(for: Self.slot, epoch: Epoch(rawValue: 5), now: Self.start + .seconds(2))
        #expect(!mayEarly)
        let now = Self.start + .seconds(3)
        let may = node.mayCampaign(for: Self.slot, epoch: Epoch(rawValue: 5), now: now)
        #expect(may)
        let beacon = PeerLiveness.Beacon(life: 7, sequence: 1, claims: [Self.claim(4)])
        let refused = node.received(beacon, from: Self.a, now: now).refused
        #expect(refused == [Self.slot])
        let newer = PeerLiveness.Beacon(life: 7, sequence: 2, claims: [Self.claim(6)])
        let accepted = node.received(newer, from: Self.a, now: now).refused.isEmpty
        #expect(accepted)
        let mayAgain = node.mayCampaign(for: Self.slot, epoch: Epoch(rawValue: 7), now: now + .seconds(1))
        #expect(!mayAgain)
    }

    @Test func nothingIsClaimedFromANodeThatDoesNotAnswer() {
        var node = Self.node(Self.a)
        var now = Self.start
        var claims: [PeerLiveness.Claim] = []
        while now < Self.start + .seconds(3) {
            for (_, beacon) in node.beacons({ _ in [Self.claim(4)] }, now: now) { claims = beacon.claims }
            now = now + .milliseconds(250)
        }
        #expect(claims.isEmpty)
    }

    @Test func aProcessThatStoodStillJudgesNobodyByIt() {
        var (one, other) = (Self.node(Self.a), Self.node(Self.b))
        for (_, beacon) in one.beacons({ _ in [] }, now: Self.start) {
            one.answered(by: Self.b, other.received(beacon, from: Self.a, now: Self.start), now: Self.start)
        }
        let later = Self.start + .seconds(9)
        _ = one.beacons({ _ in [] }, now: later)
        #expect(one.health(of: Self.b, now: later) == .healthy)
        #expect(one.health(of: Self.b, now: later + .seconds(6)) == .absent)
    }

    @Test func aSuspectNodeIsHealthyAgainOnlyAfterAWhile() {
        var (one, other) = (Self.node(Self.a), Self.node(Self.b))
        var now = Self.start
        while now < Self.start + .milliseconds(1_500) {
            _ = one.beacons({ _ in [] }, now: now)
            now = now + .milliseconds(250)
        }
        #expect(one.health(of: Self.b, now: now) == .suspect)
        var healthySince: BootTime?
        while now < Self.start + .seconds(5) {
            for (_, beacon) in one.beacons({ _ in [] }, now: now) {
                one.answered(by: Self.b, other.received(beacon, from: Self.a, now: now), now: now)
            }
            if healthySince == nil, one.health(of: Self.b, now: now) == .healthy { healthySince = now }
            now = now + .milliseconds(250)
        }
        #expect(healthySince == Self.start + .milliseconds(3_500))
    }
}

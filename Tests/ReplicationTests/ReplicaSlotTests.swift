import Identity
import Placement
import Replication
import Testing

@Suite struct ReplicaSlotTests {
    static let (a, b, c, d) = (ReplicaGroup.a, ReplicaGroup.b, ReplicaGroup.c, ReplicaGroup.d)

    /// Three members of which a has won an epoch and serves.
    static func serving(minimum: Int = 2, nodes: [NodeID] = [a, b, c]) -> ReplicaGroup {
        var group = ReplicaGroup(ReplicaGroup.row(minimum: minimum), nodes: nodes)
        // Whoever wins the first epoch hands the slot over to a.
        group.pass(.seconds(5))
        group.setTarget([a, b, c])
        group.pass(.seconds(4))
        return group
    }

    @Test func threeMembersCommitAndApplyTheSame() throws {
        var group = Self.serving()
        #expect(group.serves(Self.a))
        for _ in 0..<5 { _ = try group.propose(at: Self.a) }
        group.pass(.milliseconds(100))
        let last = group[Self.a].log.last
        #expect(group[Self.a].appliedIndex == last.index)
        for node in [Self.b, Self.c] {
            #expect(group[node].log.last == last)
            #expect(group[node].appliedIndex == last.index)
        }
    }

    @Test func nothingIsCommittedThatOneMemberHasNotOnDisk() throws {
        var group = Self.serving()
        group.stalled.insert(Self.c)
        let position = try group.propose(at: Self.a)
        #expect(group[Self.a].commitIndex < position.index)
        #expect(group[Self.c].log.last == position)
    }

    @Test func aRestartedPrimaryServesOnlyAfterANewEpochsOwnEntry() {
        var group = Self.serving()
        let epoch = group.row.epoch
        group.start(Self.a)
        group.tellAll()
        #expect(!group.serves(Self.a))
        group.stalled = [Self.b]
        group.pass(.seconds(4))
        #expect(group.row.epoch > epoch)
        let primary = group.row.primary
        #expect(group[primary].isPrimary && !group.serves(primary))
    }

    @Test func replicasCampaignOnlyAfterThreeSecondsOfSilence() {
        var group = Self.serving()
        group.down.insert(Self.a)
        group.pass(.milliseconds(2_700))
        #expect(group.row.primary == Self.a)
        group.pass(.seconds(2))
        #expect(group.row.primary != Self.a)
        #expect(group.serves(group.row.primary))
        #expect(group.row.learners == [Self.a])
    }

    @Test func aPrimaryCutOffStopsServingBeforeAnotherMayBegin() {
        var group = Self.serving()
        group.isolate(Self.a)
        group.pass(.milliseconds(2_100))
        #expect(!group.serves(Self.a))
        #expect(group.row.primary == Self.a)
        group.pass(.seconds(3))
        #expect(group.row.primary != Self.a)
    }

    @Test func whoCannotHearAnswersDoesNotKeepOthersFromCampaigning() {
        var group = Self.serving()
        group.cut = [[Self.b, Self.a], [Self.c, Self.a]]
        group.holdsSwaps = false
        group.pass(.seconds(8))
        #expect(group.row.primary != Self.a)
    }

    @Test func anUncommittedTailIsCutAwayByTheNextPrimary() throws {
        var group = Self.serving()
        group.isolate(Self.a)
        let lost = try group.propose(at: Self.a)
        group.pass(.seconds(6))
        let primary = group.row.primary
        let kept = try group.propose(at: primary)
        #expect(kept.index >= lost.index)
        group.cut = []
        group.pass(.seconds(5))
        #expect(group.members[Self.a]!.log == group.members[primary]!.log)
        #expect(Set(group.row.inSync) == [Self.a, Self.b, Self.c])
    }

    @Test func aNewPrimaryKeepsWhatItDoesNotKnowToBeCommitted() throws {
        var group = Self.serving()
        group.cut = [[Self.c, Self.a]]
        let unsure = try group.propose(at: Self.a)
        group.down.insert(Self.a)
        group.pass(.seconds(6))
        #expect(group.members[group.row.primary]!.log.contains(unsure))
    }

    @Test func aGoneMemberLeavesTheSetAndReturnsWhenItHasCaughtUp() throws {
        var group = Self.serving()
        group.down.insert(Self.c)
        group.pass(.milliseconds(1_500))
        #expect(group.row.inSync == [Self.a, Self.b])
        #expect(group.row.learners == [Self.c])
        let position = try group.propose(at: Self.a)
        #expect(group[Self.a].commitIndex == position.index)
        group.start(Self.c)
        group.tell(Self.c)
        group.pass(.seconds(4))
        #expect(Set(group.row.inSync) == [Self.a, Self.b, Self.c])
        #expect(group[Self.c].appliedIndex == position.index)
    }

    @Test func aMemberThatDoesNotAcknowledgeLeavesTheSetThoughItAnswersBeacons() throws {
        var group = Self.serving()
        group.stalled.insert(Self.c)
        let position = try group.propose(at: Self.a)
        group.pass(.seconds(3))
        #expect(group.row.inSync == [Self.a, Self.b])
        #expect(group[Self.a].commitIndex >= position.index)
    }

    @Test func belowTheMinimumTheRemovedMemberStaysEligibleAndNothingCommits() throws {
        var group = Self.serving()
        group.down.formUnion([Self.b, Self.c])
        group.pass(.seconds(7))
        #expect(group.row.inSync.count == 1)
        #expect(group.row.eligible.count == 1)
        #expect(throws: PrimarySlot.Refusal.belowMinimum) { _ = try group.propose(at: Self.a) }
        let eligible = group.row.eligible[0]
        group.start(eligible)
        group.tell(eligible)
        group.pass(.seconds(4))
        #expect(group.row.eligible.isEmpty)
        #expect(group.serves(Self.a))
        _ = try group.propose(at: Self.a)
    }

    @Test func anEligibleNodeMayTakeTheSlot() {
        var group = Self.serving()
        group.down.formUnion([Self.b, Self.c])
        group.pass(.seconds(7))
        let eligible = group.row.eligible[0]
        group.start(eligible)
        group.down.insert(Self.a)
        group.tell(eligible)
        group.pass(.seconds(5))
        #expect(group.row.primary == eligible)
        #expect(group.row.eligible == [Self.a])
        #expect(!group.serves(eligible))
    }

    @Test func aWipedDiskNeitherStandsNorCountsUntilItHasEverything() throws {
        var group = Self.serving()
        _ = try group.propose(at: Self.a)
        group.down.insert(Self.c)
        group.start(Self.c, wiped: true)
        group.tell(Self.c)
        #expect(group[Self.c].isBlank)
        group.down.formUnion([Self.a, Self.b])
        group.pass(.seconds(8))
        #expect(group.row.primary == Self.a)
        group.start(Self.a)
        group.start(Self.b)
        group.tellAll()
        group.pass(.seconds(12))
        #expect(Set(group.row.inSync) == [Self.a, Self.b, Self.c])
        #expect(!group[Self.c].isBlank)
        #expect(group[Self.c].log.last == group[group.row.primary].log.last)
    }

    @Test(arguments: [0, 1, 3])
    func anOvertakenAnswerDoesNotMakeAMemberOneThatLostItsDisk(entriesBack: UInt64) throws {
        var group = Self.serving()
        group.down.insert(Self.c)
        group.pass(.seconds(5))
        #expect(Set(group.row.inSync) == [Self.a, Self.b])
        for _ in 0..<5 { _ = try group.propose(at: Self.a) }
        group.pass(.milliseconds(500))
        group.trim(Self.a)
        let end = group[Self.a].log.last
        #expect(group[Self.a].log.base == end)
        let hint = LogPosition(epoch: end.epoch, index: LogIndex(rawValue: end.index.rawValue - entriesBack))

        // b is asked whether it holds the end, and what arrives is its answer to an earlier append.
        group.isolate(Self.b)
        let (life, row) = (group[Self.b].life, group.row)
        group.members[Self.a]!.replica.reconnected(Self.b, now: group.now)
        group.members[Self.a]!.replica.received(
            AppendReply(
                slot: ReplicaGroup.slot, epoch: group[Self.a].primaryEpoch, result: .mismatch(hint: hint), life: life,
                isBlank: false, commitIndex: end.index),
            from: Self.b, now: group.now)
        group.settle(Self.a)
        #expect(group.row == row)
        group.cut = []
        _ = try group.propose(at: Self.a)
        group.pass(.seconds(1))
        #expect(group[Self.b].log.last == group[Self.a].log.last && group.row == row)
    }

    /// A replica that was broken begins again on a cleared disk, in the same life of its process.
    @Test func whoHasClearedItsDiskGetsASnapshotWhateverItAcknowledgedBefore() throws {
        var group = Self.serving()
        for _ in 0..<5 { _ = try group.propose(at: Self.a) }
        group.pass(.milliseconds(500))
        group.trim(Self.a)
        group.isolate(Self.c)
        let (life, epoch) = (group[Self.c].life, group[Self.a].primaryEpoch)
        func answer(_ result: AppendReply.Result) -> AppendReply {
            AppendReply(
                slot: ReplicaGroup.slot, epoch: epoch, result: result, life: life, isBlank: true, commitIndex: .zero)
        }
        group.members[Self.a]!.replica.received(answer(.blank), from: Self.c, now: group.now)
        group.settle(Self.a)
        #expect(group.row.learners == [Self.c])
        group.members[Self.a]!.replica.reconnected(Self.c, now: group.now)
        _ = group.members[Self.a]!.replica.takeActions()
        group.members[Self.a]!.replica.received(answer(.mismatch(hint: .start)), from: Self.c, now: group.now)
        let offers = group.members[Self.a]!.replica.takeActions().count {
            if case .sendSnapshot(Self.c) = $0 { true } else { false }
        }
        #expect(offers == 1)
    }

    /// A learner that stood still gets the snapshot of a primary that it has not heard of.
    @Test func whoGetsASnapshotOfALaterEpochFollowsThatEpochsPrimary() throws {
        var group = Self.serving()
        group.isolate(Self.c)
        group.pass(.seconds(8))
        #expect(group.row.learners == [Self.c])
        let later = LogPosition(epoch: group[Self.c].epoch.next.next, index: LogIndex(rawValue: 50))
        group.tell(Self.c)
        #expect(group[Self.c].takesSnapshot(from: Self.b, epoch: later.epoch, at: later))
        group.members[Self.c]!.replica.installing()
        group.members[Self.c]!.replica.installed(at: later)
        _ = group.members[Self.c]!.replica.takeActions()
        let append = AppendHead(epoch: later.epoch, previous: later, commitIndex: later.index, positions: [])
        group.members[Self.c]!.replica.received(append, from: Self.b, now: group.now)
        let replies = group.members[Self.c]!.replica.takeActions().compactMap { action -> AppendReply? in
            if case .reply(Self.b, let reply) = action { reply } else { nil }
        }
        #expect(replies.map(\.result) == [.durable(through: later.index)])
    }

    @Test func aMoveBringsTheSlotToItsTargetAndDropsTheOthers() throws {
        var group = Self.serving(nodes: [Self.a, Self.b, Self.c, Self.d])
        _ = try group.propose(at: Self.a)
        group.trim(Self.a)
        #expect(group.members[Self.d] == nil)
        group.setTarget([Self.d, Self.b, Self.c])
        group.pass(.seconds(4))
        #expect(group.row.primary == Self.d)
        #expect(group.row.inSync == [Self.d, Self.b, Self.c])
        #expect(group.row.target.isEmpty)
        #expect(group.serves(Self.d))
        #expect(group.members[Self.a] == nil)
    }

    @Test func aHandOverThatIsNotTakenIsTakenBack() {
        var group = Self.serving()
        group.cut = [[Self.a, Self.b]]
        group.setTarget([Self.b, Self.a, Self.c])
        group.cut = []
        // The grant arrives, and the swap does not.
        group.pass(.milliseconds(100))
        if group.row.primary == Self.a {
            group.pass(.seconds(3))
        }
        #expect(group.serves(group.row.primary))
    }

    @Test func whileASwapsOutcomeIsUnknownBothSetsMustHaveAnEntry() throws {
        var group = Self.serving()
        group.holdsSwaps = true
        group.down.insert(Self.c)
        group.pass(.milliseconds(1_500))
        #expect(group.held.count == 1)
        // The removal of c may not have taken place: c could still become primary.
        #expect(!group[Self.a].claimedFrom.isDisjoint(with: [Self.c]))
        let commit = group[Self.a].commitIndex
        group.holdsSwaps = false
        group.releaseSwaps()
        #expect(group.row.inSync == [Self.a, Self.b])
        #expect(group[Self.a].commitIndex >= commit)
        _ = try group.propose(at: Self.a)
    }

    @Test func theLateAnswerToAnEarlierSwapDoesNotSettleTheNextOne() throws {
        var group = Self.serving()
        group.down.insert(Self.c)
        group.holdsSwaps = true
        group.pass(.milliseconds(1_500))
        let first = group.held[0].swap
        // The row is swapped, and the watch tells it before the answer comes.
        group.row = first.new
        group.tell(Self.a)
        group.start(Self.c)
        group.tell(Self.c)
        group.held = []
        group.pass(.seconds(5))
        let second = try #require(group.held.first?.swap)
        #expect(group[Self.a].pendingSwap == second)
        group.members[Self.a]!.replica.swapSettled(first, current: first.new, now: group.now)
        #expect(group[Self.a].pendingSwap == second)
    }

    @Test func anOlderEpochIsRefused() throws {
        var group = Self.serving()
        let epoch = group[Self.b].epoch
        let head = AppendHead(
            epoch: Epoch(rawValue: epoch.rawValue - 1), previous: group[Self.b].log.last, commitIndex: .zero,
            positions: [])
        group.members[Self.b]!.replica.received(head, from: Self.c, now: group.now)
        let actions = group.members[Self.b]!.replica.takeActions()
        guard case .reply(let to, let reply) = actions.first else { return #expect(Bool(false), "\(actions)") }
        #expect(to == Self.c)
        #expect(reply.result == .older(than: epoch))
    }
}

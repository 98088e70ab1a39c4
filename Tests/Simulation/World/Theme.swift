/// What a part of the seeds is about: faults that hardly ever meet by chance, put together for one slot at the time when
/// they begin, since who its primary is then nobody knows before.
enum Theme: CaseIterable {
    /// A learner's disk stands still, the primary ends at the moment of a commit that the learner lacks, and the heir
    /// has not heard of that commit: it must not take the learner for one that holds everything.
    case commitUnheard
    /// A member's disk is wiped under load, and each snapshot for its new one comes a second time, late.
    case snapshotsAgain
    /// A primary is cut off until others have led its slots; when it is back these have just been started anew, and no
    /// one reaches the coordinator: only their disks know of the later epochs.
    case powerCut
}

extension Scenario {
    /// The theme has this long after its beginning to itself: what would have come by chance meanwhile comes later.
    static let act: Int64 = 11 * second

    /// One seed in five has a theme.
    mutating func chooseTheme(_ random: inout SeededRandom) {
        guard random.chance(0.2) else { return }
        let theme = random.pick(Theme.allCases)
        let time = random.span(12_000, 36_000)
        let before = 2 * Scenario.second
        for place in faults.indices where (time - before..<time + Scenario.act).contains(faults[place].time) {
            faults[place].time = random.span(Double((time + Scenario.act) / 1_000_000), 60_000)
        }
        faults.append((time, .theme(theme, slot: random.integer(0...slots - 1))))
    }
}

extension World {
    /// A primary that is to end as soon as an entry is committed that the follower's disk lacks.
    struct Ambush {
        var slot: Int
        var follower: Int
        var down: Int64
        var until: Int64
    }

    func begin(_ theme: Theme, slot: Int) {
        guard let row = coordinator.rows[slot], row.inSync.count >= 2 else { return }
        let primary = number(of: row.primary)
        let backups = row.inSync.map { number(of: $0) }.filter { $0 != primary }
        switch theme {
        case .commitUnheard: hideCommit(of: slot, primary, from: random.pick(backups))
        case .snapshotsAgain: repeatSnapshots(of: slot, to: random.pick(backups))
        case .powerCut: cutPower(around: primary)
        }
    }

    private func hideCommit(of slot: Int, _ primary: Int, from follower: Int) {
        // The follower leaves the in-sync set, and is not let in again at once when it is back.
        let gap = random.span(1_400, 1_900)
        inject(.deafen(from: primary, to: follower, span: gap), in: 0)
        inject(.deafen(from: follower, to: primary, span: gap), in: 0)
        inject(.rush(slot: slot, span: 4 * Scenario.second), in: gap)
        let trap = gap + random.span(700, 1_300)
        inject(.stallDisk(node: follower, span: random.span(4_500, 7_000)), in: trap)
        inject(.ambush(slot: slot, follower: follower, down: random.span(8_000, 12_000)), in: trap)
    }

    private func repeatSnapshots(of slot: Int, to learner: Int) {
        inject(.snapshotsTwice(span: 6 * Scenario.second), in: 0)
        inject(.rush(slot: slot, span: 6 * Scenario.second), in: 0)
        inject(.wipe(node: learner, down: random.span(50, 500)), in: random.span(0, 500))
    }

    private func cutPower(around primary: Int) {
        let cut = random.span(4_500, 7_000)
        let away = random.span(2_500, 4_500)
        inject(.split([primary], span: cut + random.span(50, 400)), in: 0)
        inject(.coordinatorLost(node: primary, span: cut + away), in: 0)
        inject(.coordinatorAway(span: away), in: cut - Scenario.second / 20)
        for node in nodes.indices where node != primary {
            inject(.crash(node: node, down: random.span(60, 600)), in: cut + random.span(0, 40))
        }
    }

    /// One more fault for this run.
    private func inject(_ fault: Scenario.Fault, in span: Int64) {
        scenario.faults.append((now + span, fault))
        push(.fault(scenario.faults.count - 1), in: span)
    }

    /// An entry of the slot is committed: is it the one that is waited for?
    func committed(_ slot: Int, at node: Node) {
        guard let trap = ambush, trap.slot == slot, let last = oracle.committed[slot].last else { return }
        if now > trap.until {
            ambush = nil
        } else if nodes[trap.follower].disk.files[slot].last.index < last.position.index {
            ambush = nil
            inject(.crash(node: node.index, down: trap.down), in: 0)
        }
    }
}

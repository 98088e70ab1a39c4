import Replication

/// All that is decided of a run before it begins: its size, its network, and what goes wrong when.
struct Scenario {
    enum Fault {
        case crash(node: Int, down: Int64)
        case pause(node: Int, span: Int64)
        case split([Int], span: Int64)
        /// Nothing comes from the first node to the second.
        case deafen(from: Int, to: Int, span: Int64)
        /// The node hears of all others, and none of it; or the other way round.
        case oneWay(node: Int, hears: Bool, span: Int64)
        case breakConnection(Int, Int)
        case loss(span: Int64)
        case stallDisk(node: Int, span: Int64)
        case failDisk(node: Int)
        case wipe(node: Int, down: Int64)
        case coordinatorAway(span: Int64)
        /// An election: calls are answered when it is over.
        case coordinatorPause(span: Int64)
        /// The node does not reach the coordinator.
        case coordinatorLost(node: Int, span: Int64)
        /// Outcomes of swaps are lost on their way, and swaps arrive late.
        case unknownOutcomes(span: Int64)
        case stepClock(node: Int, milliseconds: Int64)
        case move(slot: Int)
        case drain(node: Int, span: Int64)
        /// Clients call one slot, often.
        case rush(slot: Int, span: Int64)
        /// Each snapshot comes a second time.
        case snapshotsTwice(span: Int64)
        /// The slot's primary ends with the next commit of an entry that the follower's disk lacks.
        case ambush(slot: Int, follower: Int, down: Int64)
        case theme(Theme, slot: Int)
    }

    static let second: Int64 = 1_000_000_000
    /// When faults end.
    static let span: Int64 = 62 * second

    var nodes: Int
    var slots: Int
    var clients: Int
    var operations: Int
    /// Messages are lost, doubled and overtake each other one by one; else only connections break.
    var isHarsh: Bool
    var tick: Int64
    var faults: [(time: Int64, fault: Fault)] = []
    /// Entries of the log kept below the flushed state.
    var keptEntries: Int

    init(seed: UInt64, random: inout SeededRandom) {
        nodes = random.integer(3...5)
        slots = random.integer(2...6)
        clients = random.integer(5...8)
        operations = random.integer(220...360)
        isHarsh = random.chance(0.35)
        tick = random.span(60, 140)
        keptEntries = random.pick([0, 0, 5, 40])
        for _ in 0..<random.integer(12...24) {
            faults.append((random.span(6_000, 60_000), Scenario.fault(nodes, slots, &random)))
        }
        // Faults that meet: what hurts most happens close together.
        for _ in 0..<2 {
            let time = random.span(6_000, 55_000)
            for _ in 0..<random.integer(2...3) {
                faults.append((time + random.span(0, 1_500), Scenario.fault(nodes, slots, &random)))
            }
        }
        // A primary that stands still comes back while replicas campaign for its slots, and the coordinator is slow.
        if random.chance(0.6) {
            let time = random.span(8_000, 50_000)
            faults.append((time, .pause(node: random.integer(0...nodes - 1), span: random.span(2_900, 4_500))))
            faults.append((time + random.span(2_600, 3_300), .coordinatorPause(span: random.span(800, 2_500))))
        }
        chooseTheme(&random)
        faults.sort { $0.time < $1.time }
    }

    private static func fault(_ nodes: Int, _ slots: Int, _ random: inout SeededRandom) -> Fault {
        let node = random.integer(0...nodes - 1)
        let other = (node + random.integer(1...nodes - 1)) % nodes
        switch random.integer(0...27) {
        case 0...3: return .crash(node: node, down: random.span(100, random.chance(0.5) ? 800 : 9_000))
        case 4...6: return .pause(node: node, span: random.span(300, 7_000))
        case 7, 8:
            let side = nodes > 3 && random.chance(0.5) ? [node, other] : [node]
            return .split(side, span: random.span(500, 9_000))
        case 9: return .deafen(from: node, to: other, span: random.span(500, 9_000))
        case 10: return .oneWay(node: node, hears: random.chance(0.5), span: random.span(500, 9_000))
        case 11: return .breakConnection(node, other)
        case 12: return .loss(span: random.span(500, 6_000))
        case 13: return .stallDisk(node: node, span: random.span(300, 5_000))
        case 14: return .failDisk(node: node)
        case 15, 16: return .wipe(node: node, down: random.span(50, 4_000))
        case 17: return .coordinatorAway(span: random.span(500, 6_000))
        case 18: return .coordinatorPause(span: random.span(500, 2_500))
        case 19: return .coordinatorLost(node: node, span: random.span(500, 8_000))
        case 20, 21: return .unknownOutcomes(span: random.span(2_000, 10_000))
        case 22: return .stepClock(node: node, milliseconds: Int64(random.integer(-3_000...3_000)))
        case 23...26: return .move(slot: random.integer(0...slots - 1))
        default: return .drain(node: node, span: random.span(3_000, 12_000))
        }
    }
}

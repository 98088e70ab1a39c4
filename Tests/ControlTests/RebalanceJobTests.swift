import Identity
import NIOCore
import Placement
import Testing
import Wire

@testable import Control

@Suite("A rebalance", .timeLimit(.minutes(5)))
struct RebalanceJobTests {
    private let three = nodes("guild-1", "guild-2", "guild-3")
    private let fourth = node("guild-4")

    private func grown() -> ControlledCluster {
        var cluster = ControlledCluster(three, minimum: 2)
        cluster.register(fourth)
        return cluster
    }

    @Test("a fourth node ends with a quarter of the primaries and of the replicas, so many moves at once")
    func quarter() throws {
        var cluster = grown()
        let isAtRest = cluster.step().isEmpty
        #expect(isAtRest, "a node that joins changes nothing by itself")
        let plan = try cluster.planJob(concurrency: 8)
        #expect(plan.balance.first { $0.node == fourth }?.before == RebalancePlan.Share())
        let settles = cluster.run()
        #expect(settles)
        #expect(cluster.situation.job?.state == .done)
        #expect(cluster.situation.job?.settled == plan.moves.count)
        #expect(cluster.mostTargets <= 8)
        let quarter = 1024.0 / 4
        #expect(abs(Double(cluster.primaries(fourth)) - quarter) <= quarter * 0.06)
        #expect(abs(Double(cluster.copies(fourth)) - quarter * 3) <= quarter * 3 * 0.06)
        #expect(plan.balance.first { $0.node == fourth }?.after.primaries == cluster.primaries(fourth))
        #expect(cluster.situation.rows.allSatisfy { $0.inSync.count == 3 })
    }

    @Test("moves to fewer copies do not keep the minimum from being lowered, which they wait for")
    func fewerCopies() throws {
        var cluster = ControlledCluster(three, minimum: 2)
        cluster.situation.settings.replicationFactor = 1
        cluster.situation.settings.minimum = 1
        cluster.situation.responsive = Set(three)
        let plan = try cluster.planJob(concurrency: 64)
        #expect(plan.moves.count == 1024)
        let settles = cluster.run()
        #expect(settles)
        #expect(cluster.situation.job?.state == .done && cluster.situation.job?.settled == 1024)
        #expect(cluster.situation.rows.allSatisfy { $0.inSync.count == 1 && $0.minimum == 1 })
    }

    @Test("it goes on when the controller dies at any step, and whatever part of its writes is lost", arguments: 1...4)
    func crashes(seed: UInt64) throws {
        var cluster = grown()
        let plan = try cluster.planJob(concurrency: 16)
        var generator = SeededGenerator(state: seed)
        for _ in 0..<20_000 where !(cluster.isQuiet && cluster.situation.job?.state == .done) {
            let lost = Set((0..<24).filter { _ in generator.next() % 3 == 0 })
            var number = 0
            cluster.arrives = { _ in
                number += 1
                return !lost.contains(number)
            }
            if generator.next() % 2 == 0 { cluster.controller = Controller() }
            cluster.step()
            cluster.workers = Int(generator.next() % 16)
            cluster.work()
        }
        let job = try #require(cluster.situation.job)
        #expect(job.state == .done && job.moves.isEmpty && job.settled == plan.moves.count)
        #expect(cluster.mostTargets <= 16)
        for move in plan.moves { #expect(cluster.situation.rows[Int(move.slot.rawValue)].hasReached(move.to)) }
    }

    @Test("an abort stops writing and turns back what has not handed over", arguments: 0...3)
    func abort(stage: Int) throws {
        var cluster = grown()
        let before = cluster.situation.rows
        let plan = try cluster.planJob(concurrency: 32)
        for _ in 0..<3 {
            cluster.step()
            cluster.work()
        }
        // From here on the moves under way stand at another stage each time.
        cluster.step()
        for _ in 0..<stage { cluster.work() }
        cluster.situation.job?.state = .aborting
        let written = cluster.situation.rows.count { !$0.target.isEmpty }
        #expect(written > 0)
        let settles = cluster.run()
        #expect(settles)
        let job = try #require(cluster.situation.job)
        #expect(job.state == .aborted && job.settled + job.reset == plan.moves.count && job.reset > 0)
        for move in plan.moves {
            let row = cluster.situation.rows[Int(move.slot.rawValue)]
            let former = before[Int(move.slot.rawValue)]
            #expect(row.target.isEmpty && row.learners.isEmpty)
            #expect(row.hasReached(move.to) || Set(row.holders) == Set(former.holders))
        }
    }

    @Test("the bandwidth spaces new copies by their size, and hand-overs need none")
    func bandwidth() throws {
        var cluster = grown()
        let plan = try cluster.planJob(concurrency: 100, bandwidth: 20_000_000)
        cluster.situation.storedBytes = Array(repeating: 1_000_000, count: 1024)
        let copies = plan.moves.count { !$0.added.isEmpty }
        let start = cluster.now
        let settles = cluster.run(rounds: 20_000)
        #expect(settles)
        let seconds = (cluster.now - start) / .seconds(1)
        // A second's worth may go at once.
        #expect(seconds >= Double(copies) / 20 - 2)
        #expect(seconds < Double(copies) / 20 * 1.5 + 10)
    }

    @Test("moves to a node that has left the cluster are dropped, the others are made")
    func departed() throws {
        var cluster = grown()
        let plan = try cluster.planJob()
        for _ in 0..<10 {
            cluster.step()
            cluster.work()
        }
        cluster.situation.departures.removed.insert(fourth)
        cluster.lose(fourth)
        cluster.takeOver(from: fourth)
        let settles = cluster.run()
        #expect(settles)
        let job = try #require(cluster.situation.job)
        #expect(job.state == .done && job.dropped > 0 && job.dropped + job.settled == plan.moves.count)
        #expect(cluster.copies(fourth) == 0 && cluster.situation.rows.allSatisfy { $0.inSync.count == 3 })
    }

    @Test("a target that another has written is left alone until it is reached")
    func foreign() throws {
        var cluster = grown()
        let planned = try cluster.planJob()
        let move = try #require(planned.moves.first)
        let slot = Int(move.slot.rawValue)
        cluster.situation.rows[slot].target = Array(move.from.reversed())
        cluster.workers = 0
        for _ in 0..<5 { cluster.step() }
        #expect(cluster.situation.rows[slot].target == Array(move.from.reversed()))
    }

    @Test("load, not count, is balanced, and a pinned slot stays")
    func loads() throws {
        var cluster = ControlledCluster(three, minimum: 2)
        var book = LoadBook()
        // Every slot of guild-1 is busy, all others idle.
        for (time, cpu) in [(1, UInt64(0)), (2, 100_000_000)] {
            let statuses = cluster.situation.rows.filter { $0.primary == three[0] }.map { row in
                var status = SlotStatus(
                    slot: row.slot, epoch: row.epoch, isServing: true, lastIndex: .zero, appliedIndex: .zero,
                    pendingCommands: 0)
                status.load.cpuNanoseconds = cpu
                return status
            }
            book.note(NodeStatus(slots: statuses, logQueueBytes: 0), of: three[0], now: .seconds(time))
        }
        cluster.situation.rows[0].isPinned = true
        let plan = try cluster.planJob(book: book)
        let settles = cluster.run()
        #expect(settles)
        #expect(plan.balance.allSatisfy { abs($0.after.load - 1.0 / 3) < 0.02 })
        #expect(plan.balance[0].before.load > 0.5)
        #expect(cluster.primaries(three[0]) < 300)
        #expect(cluster.situation.rows[0].primary == three[0])
    }

    @Test("the hottest guilds are those of whom their slots' primaries tell")
    func guilds() {
        func load(_ guild: UInt64, events: UInt64, milliseconds: UInt64 = 5000) -> GuildLoad {
            GuildLoad(
                guild: GuildID(rawValue: guild << 12), milliseconds: milliseconds, events: events, writtenBytes: 10,
                subscriptions: 1)
        }
        var book = LoadBook()
        for (node, loads) in [
            (three[0], [load(1, events: 10), load(2, events: 40, milliseconds: 10_000)]),
            (three[1], [load(3, events: 15), load(4, events: 1000)]),
        ] {
            var status = NodeStatus(slots: [], logQueueBytes: 0)
            status.guilds = loads
            book.note(status, of: node, now: .seconds(1))
        }
        // Slot 4 has moved since.
        let primaries: [UInt16: NodeID] = [1: three[0], 2: three[0], 3: three[1], 4: three[2]]
        let hottest = book.hottestGuilds(2) { primaries[$0.rawValue] }
        #expect(hottest.map(\.guild.rawValue) == [2 << 12, 3 << 12])
        #expect(hottest.map(\.eventsPerSecond) == [4, 3])
        var gone = NodeStatus(slots: [], logQueueBytes: 0)
        gone.guilds = []
        book.note(gone, of: three[0], now: .seconds(2))
        #expect(book.hottestGuilds(9) { primaries[$0.rawValue] }.map(\.guild.rawValue) == [3 << 12])
    }

    @Test("the noise of an idle cluster does not steer, and no slot weighs more than twelve")
    func noise() throws {
        func weights(cpu: UInt64) -> [Double] {
            var book = LoadBook()
            for (time, spent) in [(1, UInt64(0)), (2, cpu)] {
                var status = SlotStatus(
                    slot: Slot(truncating: 7), epoch: .zero, isServing: true, lastIndex: .zero, appliedIndex: .zero,
                    pendingCommands: 0)
                status.load.cpuNanoseconds = spent
                book.note(NodeStatus(slots: [status], logQueueBytes: 0), of: three[0], now: .seconds(time))
            }
            return book.weights()
        }
        #expect(weights(cpu: 1_000_000)[7] < 4)
        #expect(weights(cpu: 900_000_000)[7] == LoadBook.heaviest)
        #expect(weights(cpu: 900_000_000)[8] == 1)
    }

    @Test("what a backup reports of a slot does not count")
    func backups() {
        var book = LoadBook()
        var status = SlotStatus(
            slot: Slot(truncating: 7), epoch: .zero, isServing: true, lastIndex: .zero, appliedIndex: .zero,
            pendingCommands: 0)
        for time in 1...2 {
            status.load.requests += 100
            status.isServing = true
            book.note(NodeStatus(slots: [status], logQueueBytes: 0), of: three[0], now: .seconds(time))
            status.isServing = false
            book.note(NodeStatus(slots: [status], logQueueBytes: 0), of: three[1], now: .seconds(time))
        }
        #expect(book.rate(Slot(truncating: 7)).requests == 50)
    }

    @Test("a job of 1,024 moves fits a value of the coordinator and reads back")
    func encoding() throws {
        let long = (0..<8).map { node("guild-" + String(repeating: "x", count: 50) + "\($0)") }
        var job = RebalanceJob(
            id: 99, created: Timestamp(milliseconds: 1),
            moves: Slot.all.map { SlotMove(slot: $0, from: Array(long[0..<3]), to: Array(long[4..<7])) },
            concurrency: 3, bandwidth: 1000, totalBytes: 5)
        job.finished = Timestamp(milliseconds: 2)
        (job.state, job.settled, job.dropped, job.reset, job.settledBytes) = (.aborted, 1, 2, 3, 4)
        let bytes = job.encoded()
        #expect(bytes.readableBytes < 32 * 1024)
        #expect(try RebalanceJob(decoding: bytes) == job)
    }
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}

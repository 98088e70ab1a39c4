import Identity
import NIOCore
import NIOPosix
import Slots
import Storage
import Testing
import Wire

@Suite(.timeLimit(.minutes(10))) struct SlotCommandTests {
    @Test func concurrentReadModifyWritesLoseNothingAndIDsAreUnique() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let answers = try await withThrowingTaskGroup(of: [String].self) { tasks in
            for _ in 0..<16 {
                tasks.addTask {
                    var answers: [String] = []
                    for _ in 0..<50 { answers.append(try await node.text("increment", ["name": "a"])) }
                    return answers
                }
            }
            return try await tasks.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(answers.map { $0.split(separator: " ")[0] }).count == 800)
        #expect(Set(answers.map { $0.split(separator: " ")[1] }).count == 800)
        #expect(try await node.counter("a") == 800)
        #expect(try await node.text("count_messages") == "800")
        await node.close()
    }

    /// Entries that have no room in one turn of the loop are applied in the next, of every slot, and all are there at once
    /// for readers.
    @Test func whatIsCommittedIsAppliedInManySmallTurns() async throws {
        let folder = try TemporaryFolder()
        var limits = SlotLimits()
        limits.appliedEntries = 3
        let slots = (1...4).map { Slot(truncating: $0) }
        let node = try await TestNode(folder.path, slots: slots, limits: limits)
        await withTaskGroup(of: Void.self) { tasks in
            for slot in slots {
                for _ in 0..<100 { tasks.addTask { _ = await node.perform("increment", ["name": "a"], slot: slot) } }
            }
        }
        for slot in slots { #expect(try await node.counter("a", slot: slot) == 100) }
        var status = await node.node.status()
        while !status.slots.allSatisfy({ $0.appliedIndex == $0.lastIndex }) {
            try await Task.sleep(for: .milliseconds(5))
            status = await node.node.status()
        }
        #expect(status.slots.count == slots.count)
        for slot in slots { #expect(try await node.counter("a", slot: slot) == 100) }
        await node.close()
    }

    @Test func slotsOnTheProcessesEventLoopsLeaveThemRunning() async throws {
        let folder = try TemporaryFolder()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        for epoch in UInt64(1)...3 {
            let node = try await TestNode(folder.path, start: epoch, eventLoops: group)
            await withTaskGroup(of: Void.self) { tasks in
                for _ in 0..<100 { tasks.addTask { _ = await node.perform("increment", ["name": "a"]) } }
            }
            #expect(try await node.counter("a") == Int(epoch) * 100)
            await node.close()
            let isRunning = try await group.next().submit { true }.get()
            #expect(isRunning)
        }
        try await group.shutdownGracefully()
    }

    @Test func aCommandThatThrowsLeavesNothingBehind() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        _ = try await node.text("fail_after_write", ["name": "a"], status: 403)
        #expect(try await node.counter("a") == 0)
        #expect(try await node.text("cached") == "")
        await node.close()
    }

    @Test func aFaultIsAnsweredWith500AndTheSlotGoesOn() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        _ = try await node.text("break", status: 500)
        #expect(try await node.text("increment", ["name": "a"]).hasPrefix("1 "))
        await node.close()
    }

    @Test func offloadedWorkComesBackAsASecondCommand() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        #expect(try await node.text("offload", body: "abc") == "cba")
        #expect(try await node.counter("offloaded") == 1)
        await node.close()
    }

    @Test func aWaitingCommandAnswersAfterTheCommitThatItWaitsFor() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        async let answer = node.text("wait", ["name": "a"], body: "3", id: node.requestID())
        #expect(try await node.reaches("waiters", 1))
        for _ in 0..<3 { _ = try await node.text("increment", ["name": "a"]) }
        #expect(try await answer == "reached 3")
        await node.close()
    }

    @Test func aWaitingCommandEndsAtItsDeadline() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let reply = await node.perform("wait", ["name": "a"], body: "3", deadline: .milliseconds(50))
        #expect(reply == .interrupted("another slot did not answer in time"))
        await node.close()
    }

    @Test func slotsThatAreNotHereAreAnsweredWithTheMapsEpoch() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let elsewhere = Slot(truncating: 9)
        node.view.held.withLock {
            $0[elsewhere] = .init(
                slot: elsewhere, epoch: Epoch(rawValue: 12), primary: NodeID(rawValue: "other")!, inSync: [])
        }
        #expect(await node.perform("get", slot: elsewhere) == .moved(Epoch(rawValue: 12)))
        // A slot that is given up answers so too.
        node.giveUp(TestNode.slot, epoch: 5)
        node.view.held.withLock { $0[TestNode.slot] = nil }
        #expect(await node.perform("get") == .moved(Epoch(rawValue: 5)))
        await node.close()
    }

    @Test func moreCommandsThanTheBoundAreRefusedAndNoneIsLost() async throws {
        let folder = try TemporaryFolder()
        var limits = SlotLimits()
        limits.pendingCommands = 4
        let node = try await TestNode(folder.path, limits: limits)
        var done = 0
        var refused = 0
        // The log may keep up with a burst whose commands come late.
        while refused == 0 {
            let replies = await withTaskGroup(of: SlotReply.self) { tasks in
                for _ in 0..<200 { tasks.addTask { await node.perform("increment", ["name": "a"]) } }
                return await tasks.reduce(into: []) { $0.append($1) }
            }
            let doneNow = replies.count { if case .done = $0 { true } else { false } }
            refused += replies.count { $0 == .unavailable("too many commands wait in the slot") }
            done += doneNow
            #expect(doneNow + refused == 200)
        }
        #expect(try await node.counter("a") == done)
        await node.close()
    }

    @Test func unknownOperationsAndBrokenBodiesAreRefused() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        guard case .refused = await node.perform("no_such_operation") else {
            Issue.record("an unknown operation was not refused")
            return
        }
        let broken = SlotCall(
            slot: TestNode.slot, epoch: .zero, requestID: nil, kind: .rest, body: ByteBuffer(bytes: [255, 255]))
        guard case .refused = await node.node.perform(broken, deadline: .now() + .minutes(5)) else {
            Issue.record("a broken body was not refused")
            return
        }
        await node.close()
    }

    @Test func aCoordinatorThatHasGoneBackInTimeGivesNoRightToServe() async throws {
        let folder = try TemporaryFolder()
        for start in [1, 2] as [UInt64] { await (try await TestNode(folder.path, start: start)).close() }
        let node = try await TestNode(folder.path, start: 1, waits: false)
        for _ in 0..<20 {
            guard case .unavailable = await node.perform("get") else {
                Issue.record("a slot is served by an older row than its disk knows")
                break
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        await node.close()
    }

    @Test func aSlotThatIsMarkedCorruptIsNotServed() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        await node.close()
        do {
            let store = try Store(folder: folder.path, cluster: TestNode.cluster)
            let writer = LogWriter(log: store.log)
            writer.write([.mark(TestNode.slot, .corrupt)], observer: nil)
            writer.stop()
            store.close()
        }
        let again = try await TestNode(folder.path, start: 2, waits: false)
        for _ in 0..<20 {
            guard case .unavailable = await again.perform("get") else {
                Issue.record("a slot that is marked corrupt is served")
                break
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        await again.close()
        // Nobody else holds it: what is there stays there.
        let store = try Store(folder: folder.path, cluster: TestNode.cluster)
        #expect(try store.log.last(TestNode.slot) != nil)
        store.close()
    }

    @Test func aDrainedNodeKeepsEverything() async throws {
        let folder = try TemporaryFolder()
        let first = try await TestNode(folder.path)
        for _ in 0..<10 { _ = try await first.text("increment", ["name": "a"]) }
        await first.close()
        let second = try await TestNode(folder.path, start: 2)
        #expect(try await second.counter("a") == 10)
        await second.close()
    }
}

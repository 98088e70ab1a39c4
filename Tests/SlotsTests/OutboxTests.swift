import Identity
import NIOCore
import Slots
import Testing
import Wire

@Suite(.timeLimit(.minutes(10))) struct OutboxTests {
    static let other = Slot(truncating: 300)

    static func limits() -> SlotLimits {
        var limits = SlotLimits()
        limits.outboxBatch = 8
        limits.outboxFirstPause = .milliseconds(2)
        return limits
    }

    @Test func effectsAreAppliedOnceAndInOrderAlthoughAnswersAreLost() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path, slots: [TestNode.slot, Self.other], limits: Self.limits())
        node.caller.losses.withLock { $0 = 5 }
        _ = try await node.text("send", ["slot": "300"], body: "100")
        #expect(try await node.reaches("effects", 100, slot: Self.other))
        #expect(try await node.counter("disorder", slot: Self.other) == 0)
        // More follow, and the first are not applied again.
        _ = try await node.text("send", ["slot": "300"], body: "10")
        #expect(try await node.reaches("effects", 110, slot: Self.other))
        #expect(try await node.counter("disorder", slot: Self.other) == 0)
        await node.close()
    }

    /// A user whose slot is the other one.
    static let actor = Actor(
        profile: UserProfile(id: UserID(rawValue: UInt64(other.rawValue) << 12), username: "ann"), tokenID: 1)

    @Test func whoIsAnsweredFindsTheEffectsOnTheirOwnSlot() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path, slots: [TestNode.slot, Self.other], limits: Self.limits())
        // More than one delivery, and the first of them is repeated.
        node.caller.losses.withLock { $0 = 1 }
        _ = try await node.text("send", ["slot": "300"], body: "20", actor: Self.actor)
        #expect(try await node.counter("effects", slot: Self.other) == 20)
        await node.close()
    }

    @Test func aUserWhoseSlotDoesNotAnswerKeepsNobodyWaitingForLong() async throws {
        let folder = try TemporaryFolder()
        var limits = Self.limits()
        limits.effectPatience = .milliseconds(50)
        let node = try await TestNode(folder.path, limits: limits)
        // The destination is not served; the answer comes all the same, and before the deadline.
        let begun = NIODeadline.now()
        _ = try await node.text("send", ["slot": "300"], body: "20", actor: Self.actor)
        #expect(NIODeadline.now() - begun >= .milliseconds(50))
        await node.close()
    }

    @Test func anAnswerThatIsHeldIsGivenWhenTheSlotIsGivenUp() async throws {
        let folder = try TemporaryFolder()
        var limits = Self.limits()
        limits.effectPatience = .minutes(2)
        let node = try await TestNode(folder.path, limits: limits)
        async let answer = node.text("send", ["slot": "300"], body: "1", actor: Self.actor)
        // Read after it, so it is committed, and only the other slot is waited for.
        while try await node.counter("sent") == 0 {}
        node.giveUp(TestNode.slot, epoch: 5000)
        #expect(try await answer == "sent")
        await node.close()
    }

    @Test func aSlotSendsToItself() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path, limits: Self.limits())
        _ = try await node.text("send", ["slot": "7"], body: "5")
        #expect(try await node.reaches("effects", 5))
        await node.close()
    }

    @Test func whatWasNotDeliveredGoesOutAfterARestart() async throws {
        let folder = try TemporaryFolder()
        let before = try await TestNode(folder.path, limits: Self.limits())
        // The destination is not served: deliveries fail.
        _ = try await before.text("send", ["slot": "300"], body: "20")
        await before.close()
        let after = try await TestNode(
            folder.path, start: 2, slots: [TestNode.slot, Self.other], limits: Self.limits(),
            new: [Self.other])
        #expect(try await after.reaches("effects", 20, slot: Self.other))
        // Numbers go on where they were: a new effect is not taken for an old one.
        _ = try await after.text("send", ["slot": "300"], body: "1")
        #expect(try await after.reaches("effects", 21, slot: Self.other))
        #expect(try await after.counter("disorder", slot: Self.other) == 0)
        await after.close()
    }

    @Test func aDeliveryWithAGapIsNotApplied() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let delivery = OutboxDelivery(source: Self.other, incarnation: 4, first: 2, effects: [ByteBuffer()])
        let reply = await node.node.perform(
            SlotCall(slot: TestNode.slot, epoch: .zero, requestID: nil, kind: .outbox, body: delivery.encoded()),
            deadline: .now() + .minutes(5))
        guard case .unavailable = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(try await node.counter("effects") == 0)
        await node.close()
    }

    @Test func workGoesStepByStepAndOnAfterARestart() async throws {
        var total = 500
        var done = total
        // Work that was over before the restart is tried again with more.
        while done == total {
            total *= 2
            let folder = try TemporaryFolder()
            let before = try await TestNode(folder.path)
            _ = try await before.text("work", body: "\(total)")
            done = try await before.counter("steps")
            await before.close()
            let after = try await TestNode(folder.path, start: 2)
            #expect(try await after.reaches("steps", total))
            // It is at its end, and has not gone beyond.
            _ = try await after.text("increment", ["name": "a"])
            #expect(try await after.counter("steps") == total)
            await after.close()
        }
    }
}

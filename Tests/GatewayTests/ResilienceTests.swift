import Domain
import Foundation
import Identity
import NIOCore
import Placement
import Testing
import Wire

@testable import Gateway

/// Sessions that outlive their gateway: drained, or lost without a word. Real sockets; nodes in memory.
@Suite(.serialized) struct ResilienceTests {
    private let guildNode = FakeGuildNode()
    private let membership = FakeMembership()

    private func start(_ names: String...) async throws -> [TestGateway] {
        guildNode.add(World.user(guilds: [World.guild, World.otherGuild]), tokenID: World.botToken.tokenID)
        guildNode.add(World.snapshot())
        guildNode.add(World.snapshot(World.otherGuild))
        var gateways: [TestGateway] = []
        for name in names { gateways.append(try await TestGateway.start(name, at: guildNode, among: membership)) }
        return gateways
    }

    /// A client as a library is one: it counts, and it resumes.
    private final class Listener {
        var client: TestClient
        let session: String
        var sequence: Int
        var contents: [String] = []

        init(_ gateway: TestGateway) async throws {
            (client, session) = try await gateway.identified()
            sequence = try await client.next("GUILD_CREATE").sequence ?? 0
        }

        func read(_ count: Int) async throws {
            let end = contents.count + count
            while contents.count < end {
                let payload = try await client.next()
                try #require(payload.op == 0, "op \(payload.op) after \(contents)")
                #expect(payload.sequence == sequence + 1)
                sequence = payload.sequence ?? sequence
                if let content = payload.data["content"] as? String { contents.append(content) }
            }
        }

        func resume(at gateway: TestGateway) async throws {
            client = try await TestClient(port: gateway.port)
            _ = try await client.next()
            try await client.send(World.resume(session, sequence: sequence))
        }
    }

    private func write(_ numbers: ClosedRange<Int>) {
        for number in numbers {
            guildNode.emit(World.message("\(number)", guild: number % 2 == 0 ? World.guild : World.otherGuild))
        }
    }

    /// Each of both guilds' messages once, in order.
    private func expectAll(_ listener: Listener, through last: Int) {
        let numbers = listener.contents.compactMap { Int($0) }
        #expect(numbers.filter { $0 % 2 == 0 } == (1...last).filter { $0 % 2 == 0 })
        #expect(numbers.filter { $0 % 2 == 1 } == (1...last).filter { $0 % 2 == 1 })
    }

    @Test(arguments: ["gateway-2", "gateway-3"])
    func aDrainedGatewaysSessionIsFoundFromAnywhereWhenItIsGone(_ name: String) async throws {
        let gateways = try await start("gateway-1", "gateway-2", "gateway-3")
        let listener = try await Listener(gateways[0])
        write(1...10)
        try await listener.read(10)
        async let drained: Void = gateways[0].role.drain(until: .now() + .seconds(20))
        #expect(try await listener.client.next().op == 7)
        await #expect(throws: TestClient.Closed(code: 4000)) { try await listener.client.next() }
        await drained
        membership.cut(gateways[0].record.id)
        membership.remove(gateways[0].record.id)
        write(11...20)
        let other = try #require(gateways.first { $0.record.id.rawValue == name })
        try await listener.resume(at: other)
        write(21...30)
        try await listener.read(20)
        expectAll(listener, through: 30)
        for gateway in gateways[1...] { await gateway.stop() }
    }

    @Test func anOperatorsDrainEmptiesTheGatewayAndItsEndLetsItServeAgain() async throws {
        let gateways = try await start("gateway-1", "gateway-2")
        let listener = try await Listener(gateways[0])
        membership.update(gateways[0].record.id) { $0.isDraining = true }
        #expect(try await listener.client.next().op == 7)
        write(1...5)
        try await listener.resume(at: gateways[1])
        try await listener.read(5)
        expectAll(listener, through: 5)
        #expect(await gateways[0].role.count()?.sessions == 0)
        membership.update(gateways[0].record.id) { $0.isDraining = false }
        var isServed = false
        for _ in 0..<600 where !isServed {
            isServed = (try? await gateways[0].identified()) != nil
            if !isServed { try await Task.sleep(for: .milliseconds(20)) }
        }
        #expect(isServed)
        for gateway in gateways { await gateway.stop() }
    }

    @Test(arguments: [0, 1, 7, 20])
    func aLostGatewaysSessionIsRebuiltFromTheJournalWhereverTheClientWas(_ unread: Int) async throws {
        let gateways = try await start("gateway-1", "gateway-2", "gateway-3")
        let listener = try await Listener(gateways[0])
        try await gateways[0].journaled(1)
        write(1...20)
        try await listener.read(20 - unread)
        await gateways[0].crash()
        write(21...25)
        try await listener.resume(at: gateways[1])
        write(26...30)
        try await listener.read(10 + unread)
        expectAll(listener, through: 30)
        for gateway in gateways[1...] { await gateway.stop() }
    }

    @Test func oneGatewayAfterTheOtherIsLost() async throws {
        var gateways = try await start("gateway-1", "gateway-2", "gateway-3")
        let listener = try await Listener(gateways[0])
        try await gateways[0].journaled(1)
        write(1...10)
        try await listener.read(10)
        await gateways[0].crash()
        write(11...20)
        try await listener.resume(at: gateways[1])
        try await listener.read(10)
        try await gateways[1].journaled(1)
        write(21...30)
        try await listener.read(5)
        await gateways[1].crash()
        membership.remove(gateways[0].record.id)
        write(31...40)
        try await listener.resume(at: gateways[2])
        try await listener.read(15)
        expectAll(listener, through: 40)
        // The first one comes back under its name, and the session goes there.
        gateways[0] = try await TestGateway.start("gateway-1", at: guildNode, among: membership)
        write(41...45)
        try await listener.resume(at: gateways[0])
        try await listener.read(5)
        expectAll(listener, through: 45)
        await gateways[0].stop()
        await gateways[2].stop()
    }

    private func leave(_ gateway: TestGateway) async {
        await gateway.role.drain(until: .now() + .seconds(100))
        await gateway.stop()
    }

    /// How a client comes back to a gateway that others took for lost while it was only cut off.
    enum Return: CaseIterable { case resumed, handedOver, drained }

    @Test(arguments: Return.allCases)
    func aGatewayThatWasCutOffDoesNotGoOnWithASessionThatWasRebuiltElsewhere(_ way: Return) async throws {
        var gateways = try await start("gateway-1", "gateway-2", "gateway-3")
        let listener = try await Listener(gateways[0])
        try await gateways[0].journaled(1)
        write(1...5)
        try await listener.read(5)
        membership.cut(gateways[0].record.id)
        try await listener.client.cut()
        try await listener.resume(at: gateways[1])
        write(6...10)
        try await listener.read(5)
        // Back again, with the session as it was, and with the events since under numbers of its own.
        membership.serve(gateways[0].role, at: gateways[0].record.id)
        write(11...12)
        switch way {
        case .resumed: break
        case .handedOver: await leave(gateways.remove(at: 1))
        case .drained: await leave(gateways.removeFirst())
        }
        try await listener.client.cut()
        for number in stride(from: 13, through: 19, by: 3) {
            try await listener.resume(at: gateways[number % 2 == 0 ? gateways.count - 1 : 0])
            write(number...number + 2)
            try await listener.read(number == 13 ? 5 : 3)
            try await listener.client.cut()
        }
        expectAll(listener, through: 21)
        for gateway in gateways { await gateway.stop() }
    }

    @Test func whatTheJournalDoesNotReachIsInvalid() async throws {
        let gateways = try await start("gateway-1", "gateway-2")
        let listener = try await Listener(gateways[0])
        try await gateways[0].journaled(1)
        write(1...3)
        try await listener.read(3)
        await gateways[0].crash()
        listener.sequence += 1
        try await listener.resume(at: gateways[1])
        #expect(try await listener.client.next().op == 9)
        listener.sequence -= 1
        try await listener.resume(at: gateways[1])
        #expect(try await listener.client.next().type == "RESUMED")
        await gateways[1].stop()
    }

    @Test func anothersTokenRebuildsNothing() async throws {
        let gateways = try await start("gateway-1", "gateway-2")
        let listener = try await Listener(gateways[0])
        try await gateways[0].journaled(1)
        await gateways[0].crash()
        let thief = try await TestClient(port: gateways[1].port)
        _ = try await thief.next()
        let token = Token(userID: World.owner, tokenID: 1).signed(with: World.secret)
        try await thief.send(World.resume(listener.session, sequence: listener.sequence, token: token))
        #expect(try await thief.next().op == 9)
        try await listener.resume(at: gateways[1])
        #expect(try await listener.client.next().type == "RESUMED")
        await gateways[1].stop()
    }

    @Test func aLostBuddyIsReplacedAndTheNewOneGetsEverything() async throws {
        var gateways = try await start("gateway-1", "gateway-2", "gateway-3")
        let listener = try await Listener(gateways[0])
        try await gateways[0].journaled(1)
        write(1...5)
        let first = try #require(await gateways[0].role.journals().buddy)
        let lost = try #require(gateways.firstIndex { $0.record.id == first })
        await gateways[lost].crash()
        let other = try #require(gateways.first { $0.record.id != first && $0.record.id.rawValue != "gateway-1" })
        let end = ContinuousClock.now + .seconds(60)
        while await other.role.journals().kept == 0 {
            try #require(ContinuousClock.now < end)
            try await Task.sleep(for: .milliseconds(5))
        }
        write(6...10)
        // What was sent before the new buddy came in is known there as well.
        try await listener.read(3)
        try await gateways[0].journaled(1)
        await gateways[0].crash()
        try await listener.resume(at: other)
        write(11...12)
        try await listener.read(9)
        expectAll(listener, through: 12)
        gateways = [other]
        await other.stop()
    }

    @Test func aGatewayAloneJournalsNothingAndEndsAtOnce() async throws {
        let gateways = try await start("gateway-1")
        let listener = try await Listener(gateways[0])
        write(1...3)
        try await listener.read(3)
        #expect(await gateways[0].role.count()?.journaled == 0)
        #expect(await gateways[0].role.journals().buddy == nil)
        let begun = ContinuousClock.now
        await gateways[0].role.drain(until: .now() + .seconds(100))
        #expect(ContinuousClock.now - begun < .seconds(20))
    }

    @Test func aSessionThatEndedIsNotRebuilt() async throws {
        let gateways = try await start("gateway-1", "gateway-2")
        let listener = try await Listener(gateways[0])
        try await gateways[0].journaled(1)
        try await listener.client.close(1000)
        await #expect(throws: TestClient.Closed(code: 1000)) { try await listener.client.next() }
        let end = ContinuousClock.now + .seconds(60)
        while await gateways[1].role.journals().kept > 0 {
            try #require(ContinuousClock.now < end)
            try await Task.sleep(for: .milliseconds(5))
        }
        await gateways[0].crash()
        try await listener.resume(at: gateways[1])
        #expect(try await listener.client.next().op == 9)
        await gateways[1].stop()
    }
}

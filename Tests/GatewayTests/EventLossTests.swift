import Foundation
import Identity
import NIOCore
import Testing
import Wire

@testable import Gateway

/// What goes wrong between guild node and gateway, and between gateway and client: never a silent loss.
@Suite(.serialized) struct EventLossTests {
    private func started() async throws -> (FakeGuildNode, TestGateway) {
        let guildNode = FakeGuildNode()
        guildNode.add(World.user(), tokenID: World.botToken.tokenID)
        guildNode.add(World.snapshot())
        let gateway = try await TestGateway.start("gateway-1", at: guildNode)
        return (guildNode, gateway)
    }

    @Test func eventsThatGotLostOnTheWayAreFetched() async throws {
        let (guildNode, gateway) = try await started()
        let (client, _) = try await gateway.identified()
        guildNode.emit(World.message("0"))
        guildNode.drop(5)
        for number in 1...10 { guildNode.emit(World.message("\(number)")) }
        for number in 0...10 {
            #expect(try await client.next().data["content"] as? String == "\(number)")
        }
        await gateway.stop()
    }

    @Test func aBrokenStreamIsContinuedWithNothingLostOrDoubled() async throws {
        let (guildNode, gateway) = try await started()
        let (client, _) = try await gateway.identified()
        for round in 0..<3 {
            guildNode.emit(World.message("\(2 * round)"))
            guildNode.breakStreams()
            guildNode.emit(World.message("\(2 * round + 1)"))
            for number in 0..<2 {
                #expect(try await client.next().data["content"] as? String == "\(2 * round + number)")
            }
        }
        await gateway.stop()
    }

    @Test func aGapThatCannotBeFilledInvalidatesTheSession() async throws {
        let (guildNode, gateway) = try await started()
        let (client, session) = try await gateway.identified()
        guildNode.breakStreams()
        for number in 0..<3 { guildNode.emit(World.message("\(number)")) }
        guildNode.forget()
        let answer = try await client.next()
        #expect(answer.op == 9)
        #expect(answer.json["d"] as? Bool == false)
        try await client.send(World.resume(session, sequence: 2))
        #expect(try await client.next().op == 9)
        try await client.send(World.identify())
        _ = try await client.next("GUILD_CREATE")
        guildNode.emit(World.message("after"))
        #expect(try await client.next("MESSAGE_CREATE").data["content"] as? String == "after")
        await gateway.stop()
    }

    @Test func aSlowReaderIsCutOffResumablyAndOthersGetEverything() async throws {
        let guildNode = FakeGuildNode()
        guildNode.add(World.user(), tokenID: World.botToken.tokenID)
        guildNode.add(World.snapshot())
        // Little, so that the session is cut off long before its replay buffer is full.
        let gateway = try await TestGateway.start("gateway-1", at: guildNode, maximumOutputBytes: 1 << 20)
        let (quick, _) = try await gateway.identified()
        let slow = try await TestClient(port: gateway.port, receiveBuffer: 16 << 10)
        _ = try await slow.next()
        try await slow.send(World.identify())
        let session = try await slow.next("READY").data["session_id"] as? String ?? ""
        var last = try await slow.next("GUILD_CREATE").sequence ?? 0
        let text = String(repeating: "x", count: 20_000)
        var emitted = 0
        while await gateway.role.count()?.connections == 2 {
            try #require(emitted < 1000, "the slow reader is not cut off")
            guildNode.emit(World.message("\(emitted) \(text)"))
            #expect(try await quick.next().data["content"] as? String == "\(emitted) \(text)")
            emitted += 1
        }
        // What the kernel took of it comes still.
        var seen = 0
        await #expect(throws: TestClient.Closed(code: nil)) {
            while true {
                let message = try await slow.next()
                #expect(message.data["content"] as? String == "\(seen) \(text)")
                seen += 1
                last = message.sequence ?? 0
            }
        }
        #expect(seen < emitted)
        let again = try await TestClient(port: gateway.port)
        _ = try await again.next()
        try await again.send(World.resume(session, sequence: last))
        while seen < emitted {
            let message = try await again.next("MESSAGE_CREATE")
            #expect(message.sequence == last + 1)
            #expect(message.data["content"] as? String == "\(seen) \(text)")
            last += 1
            seen += 1
        }
        #expect(try await again.next().type == "RESUMED")
        await gateway.stop()
    }

    @Test func aSlowReaderBeyondTheReplayBufferIdentifiesAgain() async throws {
        let (guildNode, gateway) = try await started()
        let (slow, session) = try await gateway.identified()
        let (quick, _) = try await gateway.identified()
        let text = String(repeating: "x", count: 100_000)
        // Far more than the kernel's buffers and the bound on what waits take.
        let count = 400
        for _ in 0..<count {
            guildNode.emit(World.message(text))
            #expect(try await quick.next().type == "MESSAGE_CREATE")
        }
        await #expect(throws: TestClient.Closed(code: nil)) { while true { _ = try await slow.next() } }
        // It may come back; what is beyond the replay buffer cannot be had again.
        let again = try await TestClient(port: gateway.port)
        _ = try await again.next()
        try await again.send(World.resume(session, sequence: 2))
        #expect(try await again.next().op == 9)
        await gateway.stop()
    }
}

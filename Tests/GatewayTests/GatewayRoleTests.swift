import Domain
import Foundation
import Identity
import NIOCore
import Operations
import Testing
import Wire

@testable import Gateway

/// Real sockets and libuv loops; the guild node is in memory.
@Suite(.serialized) struct GatewayRoleTests {
    private func withGateway(
        _ body: (TestGateway, FakeGuildNode) async throws -> Void
    ) async throws {
        let guildNode = FakeGuildNode()
        guildNode.add(World.user(), tokenID: World.botToken.tokenID)
        guildNode.add(World.snapshot())
        let gateway = try await TestGateway.start("gateway-1", at: guildNode)
        do {
            try await body(gateway, guildNode)
        } catch {
            await gateway.stop()
            throw error
        }
        await gateway.stop()
    }

    @Test func aBotGetsReadyItsGuildAndEvents() async throws {
        try await withGateway { gateway, guildNode in
            let client = try await TestClient(port: gateway.port)
            let hello = try await client.next()
            #expect(hello.op == 10)
            #expect(hello.data["heartbeat_interval"] as? Int == 41250)
            try await client.send(#"{"op":1,"d":null}"#)
            #expect(try await client.next().op == 11)
            try await client.send(World.identify(more: #","shard":[0,1],"compress":true,"presence":{"game":null}"#))
            let ready = try await client.next()
            #expect(ready.type == "READY")
            #expect(ready.sequence == 1)
            #expect(ready.data["v"] as? Int == 10)
            #expect(ready.data["shard"] as? [Int] == [0, 1])
            #expect((ready.data["guilds"] as? [[String: Any]])?.count == 1)
            #expect((ready.data["user"] as? [String: Any])?["id"] as? String == "77")
            #expect((ready.data["application"] as? [String: Any])?["id"] as? String == "77")
            #expect(ready.data["resume_gateway_url"] as? String == "ws://localhost")
            let guild = try await client.next()
            #expect(guild.type == "GUILD_CREATE")
            #expect(guild.sequence == 2)
            #expect(guild.data["name"] as? String == "A guild")
            // Only what the bot may see.
            #expect((guild.data["channels"] as? [[String: Any]])?.map { $0["id"] as? String } == ["501"])
            guildNode.emit(World.message("secret", in: World.hidden))
            guildNode.emit(World.message("hello"))
            let message = try await client.next()
            #expect(message.type == "MESSAGE_CREATE")
            #expect(message.sequence == 3)
            #expect(message.data["content"] as? String == "hello")
        }
    }

    @Test(arguments: [("?v=10&encoding=json&compress=zlib-stream", false), ("?v=10&encoding=json", true)])
    func compressedStreamsInflate(_ query: String, _ isPerPayload: Bool) async throws {
        try await withGateway { gateway, guildNode in
            let (client, _) = try await gateway.identified(
                query: query, identify: World.identify(more: #","compress":true"#), isPerPayload: isPerPayload)
            for number in 0..<50 {
                guildNode.emit(World.message(String(repeating: "word \(number) ", count: number * 5)))
            }
            for number in 0..<50 {
                let message = try await client.next()
                #expect(message.sequence == number + 3)
                #expect(message.data["content"] as? String == String(repeating: "word \(number) ", count: number * 5))
            }
        }
    }

    @Test func aCutConnectionResumesWithNothingLostOrDoubled() async throws {
        try await withGateway { gateway, guildNode in
            let (client, session) = try await gateway.identified()
            guildNode.emit(World.message("0"))
            let last = try await client.next().sequence ?? 0
            try await client.cut()
            for number in 1...20 { guildNode.emit(World.message("\(number)")) }
            let again = try await TestClient(port: gateway.port)
            _ = try await again.next()
            try await again.send(World.resume(session, sequence: last))
            guildNode.emit(World.message("21"))
            var seen: [String] = []
            var isResumed = false
            while seen.count < 21 || !isResumed {
                let payload = try await again.next()
                if payload.type == "RESUMED" { isResumed = true }
                if let content = payload.data["content"] as? String { seen.append(content) }
            }
            #expect(seen == (1...21).map(String.init))
        }
    }

    @Test func aSessionResumesAtAnotherGateway() async throws {
        let guildNode = FakeGuildNode()
        guildNode.add(World.user(guilds: [World.guild, World.otherGuild]), tokenID: World.botToken.tokenID)
        guildNode.add(World.snapshot())
        guildNode.add(World.snapshot(World.otherGuild))
        let names = FakeMembership()
        let first = try await TestGateway.start("gateway-1", at: guildNode, among: names)
        let second = try await TestGateway.start("gateway-2", at: guildNode, among: names)
        let (client, session) = try await first.identified()
        _ = try await client.next("GUILD_CREATE")
        guildNode.emit(World.message("0"))
        let last = try await client.next("MESSAGE_CREATE").sequence ?? 0
        try await client.cut()
        for number in 1...10 { guildNode.emit(World.message("\(number)")) }
        // There and back again: the client ignores where the session is.
        var sequence = last
        var expected = 1
        for gateway in [second, first, second] {
            let again = try await TestClient(port: gateway.port)
            _ = try await again.next()
            try await again.send(World.resume(session, sequence: sequence))
            guildNode.emit(World.message("\(expected + 10)"))
            guildNode.emit(World.message("\(expected + 11)", guild: World.otherGuild))
            var seen: Set<String> = []
            while seen.count < 12 {
                let payload = try await again.next()
                try #require(payload.op == 0)
                #expect(payload.sequence == sequence + 1)
                sequence = payload.sequence ?? sequence
                if let content = payload.data["content"] as? String { #expect(seen.insert(content).inserted) }
            }
            #expect(seen == Set((expected...(expected + 11)).map(String.init)))
            expected += 12
            try await again.cut()
            for number in 0..<10 { guildNode.emit(World.message("\(expected + number)")) }
        }
        await first.stop()
        await second.stop()
    }

    @Test func aSessionIsFoundWhenTheGatewayThatMadeItHasRestarted() async throws {
        let guildNode = FakeGuildNode()
        guildNode.add(World.user(), tokenID: World.botToken.tokenID)
        guildNode.add(World.snapshot())
        let names = FakeMembership()
        let first = try await TestGateway.start("gateway-1", at: guildNode, among: names)
        let second = try await TestGateway.start("gateway-2", at: guildNode, among: names)
        let (client, session) = try await first.identified()
        try await client.cut()
        let moved = try await TestClient(port: second.port)
        _ = try await moved.next()
        try await moved.send(World.resume(session, sequence: 2))
        #expect(try await moved.next().type == "RESUMED")
        await first.stop()
        let restarted = try await TestGateway.start("gateway-1", at: guildNode, among: names)
        try await moved.cut()
        guildNode.emit(World.message("meanwhile"))
        let back = try await TestClient(port: restarted.port)
        _ = try await back.next()
        try await back.send(World.resume(session, sequence: 3))
        #expect(try await back.next("MESSAGE_CREATE").data["content"] as? String == "meanwhile")
        await restarted.stop()
        await second.stop()
    }

    private static let resumesOfNothing = [
        World.resume(String(repeating: "ab", count: 20), sequence: 5),
        // A library whose connection broke before READY.
        #"{"op":6,"d":{"token":"\#(World.botToken.signed(with: World.secret))","session_id":null,"seq":null}}"#,
        #"{"op":6,"d":{"token":"\#(World.botToken.signed(with: World.secret))"}}"#,
    ]

    @Test(arguments: resumesOfNothing)
    func aResumeOfNothingIsInvalidAndIdentifyFollows(_ resume: String) async throws {
        try await withGateway { gateway, _ in
            let client = try await TestClient(port: gateway.port)
            _ = try await client.next()
            try await client.send(resume)
            let answer = try await client.next()
            #expect(answer.op == 9)
            #expect(answer.json["d"] as? Bool == false)
            try await client.send(World.identify())
            #expect(try await client.next().type == "READY")
        }
    }

    @Test func anothersTokenTakesNoSession() async throws {
        try await withGateway { gateway, guildNode in
            let other = Token(userID: World.owner, tokenID: 1)
            guildNode.add(World.user(World.owner), tokenID: 1)
            let (client, session) = try await gateway.identified()
            let thief = try await TestClient(port: gateway.port)
            _ = try await thief.next()
            try await thief.send(World.resume(session, sequence: 2, token: other.signed(with: World.secret)))
            #expect(try await thief.next().op == 9)
            guildNode.emit(World.message("still here"))
            #expect(try await client.next().type == "MESSAGE_CREATE")
        }
    }

    private static let badPayloads: [(String, UInt16)] = [
        (World.identify(token: "nonsense"), 4004), (World.identify(more: #","shard":[1,1]"#), 4010),
        (#"{"op":99}"#, 4001), ("{", 4002), (#"{"op":3,"d":{}}"#, 4003), (#"{"op":2,"d":{"token":5}}"#, 4002),
        (String(repeating: " ", count: 4097), 4002),
        // A bot without intents, and with a number that is none.
        (#"{"op":2,"d":{"token":"\#(World.botToken.signed(with: World.secret))","properties":{}}}"#, 4013),
        (#"{"op":2,"d":{"token":"\#(World.botToken.signed(with: World.secret))","intents":-1}}"#, 4013),
        (World.resume(String(repeating: "ab", count: 20), sequence: -1), 4007),
    ]

    @Test(arguments: badPayloads)
    func badPayloadsCloseWithDiscordsCode(_ payload: String, _ code: UInt16) async throws {
        try await withGateway { gateway, _ in
            let client = try await TestClient(port: gateway.port)
            _ = try await client.next()
            try await client.send(payload)
            await #expect(throws: TestClient.Closed(code: code)) { try await client.next() }
        }
    }

    private static let badParameters: [(String, UInt16)] = [
        ("?v=5", 4012), ("?v=10&encoding=etf", 4002), ("?compress=lz4", 4002),
    ]

    @Test(arguments: badParameters)
    func badParametersCloseWithDiscordsCode(_ query: String, _ code: UInt16) async throws {
        try await withGateway { gateway, _ in
            let client = try await TestClient(port: gateway.port, query: query)
            await #expect(throws: TestClient.Closed(code: code)) { try await client.next() }
        }
    }

    @Test func privilegedIntentsNeedPermission() async throws {
        try await withGateway { gateway, guildNode in
            guildNode.add(World.user(), tokenID: World.botToken.tokenID, allowedIntents: 0)
            let client = try await TestClient(port: gateway.port)
            _ = try await client.next()
            try await client.send(World.identify())
            await #expect(throws: TestClient.Closed(code: 4014)) { try await client.next() }
        }
    }

    @Test func theSecondIdentifyIsTooMuchAndTheSessionStaysResumable() async throws {
        try await withGateway { gateway, _ in
            let (client, session) = try await gateway.identified()
            try await client.send(World.identify())
            await #expect(throws: TestClient.Closed(code: 4005)) { try await client.next() }
            let again = try await TestClient(port: gateway.port)
            _ = try await again.next()
            try await again.send(World.resume(session, sequence: 2))
            #expect(try await again.next().type == "RESUMED")
        }
    }

    @Test func aSequenceBeyondTheSessionsEndsIt() async throws {
        try await withGateway { gateway, _ in
            let (client, session) = try await gateway.identified()
            try await client.cut()
            let again = try await TestClient(port: gateway.port)
            _ = try await again.next()
            try await again.send(World.resume(session, sequence: 3))
            await #expect(throws: TestClient.Closed(code: 4007)) { try await again.next() }
            let third = try await TestClient(port: gateway.port)
            _ = try await third.next()
            try await third.send(World.resume(session, sequence: 2))
            #expect(try await third.next().op == 9)
        }
    }

    @Test func moreThan2500GuildsNeedShards() async throws {
        try await withGateway { gateway, guildNode in
            guildNode.update(World.bot) { $0.guilds = (1...2501).map { GuildID(rawValue: $0 << 22) } }
            let client = try await TestClient(port: gateway.port)
            _ = try await client.next()
            try await client.send(World.identify())
            await #expect(throws: TestClient.Closed(code: 4011)) { try await client.next() }
            let shard = try await TestClient(port: gateway.port)
            _ = try await shard.next()
            try await shard.send(World.identify(more: #","shard":[1,2]"#))
            #expect((try await shard.next("READY").data["guilds"] as? [Any])?.count == 1251)
        }
    }

    @Test func tooManyPayloadsAreRateLimited() async throws {
        try await withGateway { gateway, _ in
            let client = try await TestClient(port: gateway.port)
            _ = try await client.next()
            for _ in 0..<121 { try await client.send(#"{"op":1,"d":null}"#) }
            await #expect(throws: TestClient.Closed(code: 4008)) { while true { _ = try await client.next() } }
        }
    }

    @Test func aClientThatClosesCannotResume() async throws {
        try await withGateway { gateway, _ in
            let (client, session) = try await gateway.identified()
            try await client.close(1000)
            await #expect(throws: TestClient.Closed(code: 1000)) { try await client.next() }
            let again = try await TestClient(port: gateway.port)
            _ = try await again.next()
            try await again.send(World.resume(session, sequence: 2))
            #expect(try await again.next().op == 9)
        }
    }

    @Test func aPassedSocketIsServedWithTheBytesAlreadyRead() async throws {
        try await withGateway { gateway, guildNode in
            let descriptor = TestClient.connect(gateway.port)
            close(descriptor)
            var pair: [Int32] = [0, 0]
            // Any stream socket will do: the gateway asks the kernel for nothing that TCP alone has.
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            let router = try SocketPassing.connect(path: gateway.record.socketPath)
            let head =
                "GET /gateway?v=10&encoding=json HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            try SocketPassing.send(
                pair[0], .init(peerAddress: "127.0.0.1:1", received: ByteBuffer(string: head)), over: router)
            close(pair[0])
            close(router)
            let end = pair[1]
            let answer = await withCheckedContinuation { continuation in
                DispatchQueue.global().async {
                    var text = ""
                    var bytes = [UInt8](repeating: 0, count: 4096)
                    while !text.contains("heartbeat_interval") {
                        let count = read(end, &bytes, bytes.count)
                        if count <= 0 { break }
                        text += String(decoding: bytes[0..<count], as: UTF8.self)
                    }
                    close(end)
                    continuation.resume(returning: text)
                }
            }
            #expect(answer.hasPrefix("HTTP/1.1 101 "))
            #expect(answer.contains(#""heartbeat_interval":41250"#))
        }
    }

    @Test func drainTellsClientsToReconnectAndGivesTheSessionAway() async throws {
        let guildNode = FakeGuildNode()
        guildNode.add(World.user(), tokenID: World.botToken.tokenID)
        guildNode.add(World.snapshot())
        let names = FakeMembership()
        let first = try await TestGateway.start("gateway-1", at: guildNode, among: names)
        let second = try await TestGateway.start("gateway-2", at: guildNode, among: names)
        let (client, session) = try await first.identified()
        async let drained: Void = first.role.drain(until: .now() + .minutes(10))
        #expect(try await client.next().op == 7)
        await #expect(throws: TestClient.Closed(code: 4000)) { try await client.next() }
        guildNode.emit(World.message("while away"))
        let again = try await TestClient(port: second.port)
        _ = try await again.next()
        try await again.send(World.resume(session, sequence: 2))
        #expect(try await again.next("MESSAGE_CREATE").data["content"] as? String == "while away")
        await drained
        await second.stop()
    }

    @Test func requestsForMembersAreAnsweredOneAfterTheOther() async throws {
        try await withGateway { gateway, guildNode in
            guildNode.update(World.guild) { $0.members += (0..<50).map { World.member(UserID(rawValue: 10_000 + $0)) } }
            let (client, _) = try await gateway.identified()
            for number in 0..<30 {
                try await client.send(
                    #"{"op":8,"d":{"guild_id":"\#(World.guild)","query":"user1","limit":2,"nonce":"\#(number)"}}"#)
            }
            for number in 0..<30 {
                let chunk = try await client.next("GUILD_MEMBERS_CHUNK")
                #expect(chunk.data["nonce"] as? String == "\(number)")
                #expect((chunk.data["members"] as? [Any])?.count == 2)
            }
            #expect(guildNode.mostReads == 1)
        }
    }

    @Test func requestedMembersComeInChunksWithTheNonce() async throws {
        try await withGateway { gateway, guildNode in
            let members = (0..<2500).map { World.member(UserID(rawValue: 10_000 + $0)) }
            guildNode.update(World.guild) { $0.members += members }
            let (client, _) = try await gateway.identified()
            let all = #"{"op":8,"d":{"guild_id":"\#(World.guild)","query":"","limit":0,"nonce":"abc"}}"#
            try await client.send(all)
            var seen = 0
            for index in 0..<3 {
                let chunk = try await client.next("GUILD_MEMBERS_CHUNK")
                #expect(chunk.data["nonce"] as? String == "abc")
                #expect(chunk.data["chunk_index"] as? Int == index)
                #expect(chunk.data["chunk_count"] as? Int == 3)
                seen += (chunk.data["members"] as? [Any])?.count ?? 0
            }
            #expect(seen == 2502)
            try await client.send(all)
            #expect(try await client.next().type == "RATE_LIMITED")
            try await client.send(#"{"op":8,"d":{"guild_id":"\#(World.guild)","query":"USER1000","limit":5}}"#)
            let found = try await client.next("GUILD_MEMBERS_CHUNK")
            #expect((found.data["members"] as? [Any])?.count == 5)
        }
    }
}

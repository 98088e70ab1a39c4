import Foundation
import Identity
import NIOCore
import Placement
import Routing
import Testing
import Wire

@testable import Edge

@Suite("Operations that the router composes", .timeLimit(.minutes(5)))
struct ComposedOperationTests {
    private static func json(_ status: Int, _ text: String) -> RestReply {
        RestReply(status: status, body: ByteBuffer(string: text))
    }

    private static func id(_ slot: UInt64, _ sequence: UInt64) -> Snowflake {
        Snowflake(milliseconds: sequence, slot: Slot(truncating: slot), sequence: sequence)
    }

    @Test("the guild list asks the user, then each guild at its slot, in order, and leaves out guilds that deny it")
    func guildList() async throws {
        let guilds = (1...40).map { Self.id(UInt64(1000 - $0), UInt64($0)) }
        let slots = FakeSlots { request, slot in
            switch request.operation {
            case "list_my_guild_ids":
                return Self.json(200, "[\(guilds.reversed().map { "\"\($0)\"" }.joined(separator: ","))]")
            case "my_guild_summary":
                guard let id = request.parameters["guild_id"], Snowflake(id)?.slot == slot else {
                    return Self.json(500, "{}")
                }
                if id == guilds[3].description { return Self.json(404, "{}") }
                // Later ones answer first.
                try? await Task.sleep(for: .milliseconds(Int(40 - (Snowflake(id)?.sequence ?? 0))))
                return Self.json(
                    200, "{\"id\":\"\(id)\",\"counts\":\(request.query.contains { $0.name == "with_counts" })}")
            default: return Self.json(500, "{}")
            }
        }
        struct Summary: Decodable, Equatable {
            var id: String
            var counts: Bool
        }
        try await RunningEdge.run(slots: slots) { edge in
            let client = try RawClient(port: edge.server.port)
            let answer = try await client.request(
                "GET", "/api/v10/users/@me/guilds?limit=20&with_counts=true", token: RunningEdge.token())
            #expect(answer.status == 200)
            let list = try JSONDecoder().decode([Summary].self, from: Data(answer.body.utf8))
            var expected = guilds.prefix(20).map(\.description)
            expected.remove(at: 3)
            #expect(list == expected.map { Summary(id: $0, counts: true) })
            #expect(slots.requests.first?.slot == RunningEdge.user.slot)
        }
    }

    @Test("a guild that does not answer fails the list: no guild is left out in silence")
    func guildListFailure() async throws {
        let slots = FakeSlots { request, _ throws(SlotCallFailure) in
            if request.operation == "list_my_guild_ids" { return Self.json(200, #"["1","2"]"#) }
            if request.parameters["guild_id"] == "2" { throw .deadlineExceeded("gone") }
            return Self.json(200, "{}")
        }
        try await RunningEdge.run(slots: slots) { edge in
            let client = try RawClient(port: edge.server.port)
            #expect(try await client.request("GET", "/api/users/@me/guilds", token: RunningEdge.token()).status == 504)
        }
    }

    @Test("a log-in asks the directory by e-mail or name, then the user")
    func login() async throws {
        let slots = FakeSlots { request, _ in
            request.operation == "lookup_name"
                ? Self.json(200, "{\"user_id\":\"\(RunningEdge.user)\",\"is_known\":true}")
                : Self.json(200, #"{"token":"t"}"#)
        }
        try await RunningEdge.run(slots: slots) { edge in
            let client = try RawClient(port: edge.server.port)
            for (login, name) in [
                ("Ann@example.org", DirectoryName.email("ann@example.org")), ("Ann", DirectoryName.username("ann")),
            ] {
                let before = slots.requests.count
                let body = #"{"login":"\#(login)","password":"secret"}"#
                let answer = try await client.request("POST", "/api/v9/auth/login", body: body)
                #expect(answer.status == 200 && answer.body == #"{"token":"t"}"#)
                let calls = slots.requests[before...]
                #expect(calls.map(\.slot) == [name.slot, RunningEdge.user.slot])
                #expect(calls.last?.request?.parameters["user_id"] == "\(RunningEdge.user)")
                #expect(calls.last?.requestID != nil && calls.first?.requestID == nil)
            }
            let broken = try await client.request("POST", "/api/v9/auth/login", body: "{")
            #expect(broken.status == 400 && broken.body.contains("50109"))
            let missing = try await client.request("POST", "/api/v9/auth/login", body: #"{"login":"x"}"#)
            #expect(
                missing.status == 400 && missing.body.contains(#""password":{"_errors":[{"code":"BASE_TYPE_REQUIRED""#))
        }
    }

    @Test("adding a bot brings the bot's profile to the guild's slot")
    func authorize() async throws {
        let guild = Self.id(5, 4)
        let bot = Self.id(6, 2)
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            let body = #"{"guild_id":"\#(guild)","permissions":"8","authorize":true}"#
            func post(_ query: String) async throws -> RawClient.Answer {
                try await client.request(
                    "POST", "/api/v10/oauth2/authorize?\(query)", token: RunningEdge.token(), body: body)
            }
            #expect(try await post("client_id=\(bot)&scope=bot%20applications.commands&permissions=8").status == 200)
            let call = try #require(edge.slots.requests.first)
            #expect(call.slot == guild.slot && call.request?.subject?.id.snowflake == bot)
            #expect(call.request?.parameters["guild_id"] == guild.description)
            #expect(try await post("client_id=\(Self.id(6, 3))&scope=bot").body.contains("10002"))
            #expect(try await post("scope=bot").body.contains("client_id"))
            #expect(try await post("client_id=\(bot)&scope=identify").status == 400)
            #expect(edge.slots.requests.count == 1)
        }
    }

    @Test("the gateway's address is the one that the client used, and has no query")
    func gateway() async throws {
        let slots = FakeSlots { _, _ in Self.json(200, "[\((1...2500).map { "\"\($0)\"" }.joined(separator: ","))]") }
        try await RunningEdge.run(slots: slots) { edge in
            let client = try RawClient(port: edge.server.port)
            #expect(try await client.request("GET", "/api/v10/gateway").body == #"{"url":"ws://chat.example:8080"}"#)
            let bot = try await client.request(
                "GET", "/api/v10/gateway/bot", token: "Bot \(RunningEdge.token(RunningEdge.botToken))")
            #expect(
                bot.body
                    == #"{"session_start_limit":{"max_concurrency":16,"remaining":1000,"reset_after":0,"total":1000},"#
                    + #""shards":3,"url":"ws://chat.example:8080"}"#)
            try client.send("GET /api/v10/gateway HTTP/1.1\r\nHost: a\"b/\r\nX-Forwarded-Proto: https\r\n\r\n")
            #expect(try await client.answer().body == #"{"url":"wss://localhost"}"#)
        }
    }

    @Test("new guilds and accounts go to slots whose primary serves, spread over them")
    func newSlots() async throws {
        let guild = NodeID(rawValue: "guild-1")!
        let gone = NodeID(rawValue: "gone")!
        let rows = Slot.all.map { slot in
            let node = slot.rawValue < 512 ? guild : gone
            return ShardMapRow(slot: slot, epoch: Epoch(rawValue: 1), primary: node, inSync: [node])
        }
        try await RunningEdge.run(view: FakeView(rows: rows)) { edge in
            let client = try RawClient(port: edge.server.port)
            for _ in 0..<50 {
                let answer = try await client.request("POST", "/api/v10/guilds", token: RunningEdge.token(), body: "{}")
                #expect(answer.status == 200)
            }
            #expect(edge.slots.requests.allSatisfy { $0.slot.rawValue < 512 })
            #expect(Set(edge.slots.requests.map(\.slot)).count > 25)
        }
        try await RunningEdge.run(view: FakeView(rows: [])) { edge in
            let client = try RawClient(port: edge.server.port)
            let answer = try await client.request("POST", "/api/v10/auth/register", body: "{}")
            #expect(answer.status == 503 && answer.headers["retry-after"] == "1")
        }
    }

    @Test("an invite that comes with a registration is accepted with the new account's token")
    func registerWithInvite() async throws {
        let code = InviteCode(slot: Slot(truncating: 33), random: 12345)
        let slots = FakeSlots { request, _ in
            request.operation == "register"
                ? Self.json(201, #"{"token":"\#(RunningEdge.token())","user_id":"1"}"#) : Self.json(200, "{}")
        }
        try await RunningEdge.run(slots: slots) { edge in
            let client = try RawClient(port: edge.server.port)
            let answer = try await client.request(
                "POST", "/api/v10/auth/register", body: #"{"username":"ann","invite":"\#(code)"}"#)
            #expect(answer.status == 201)
            let accept = try #require(slots.requests.last)
            #expect(accept.request?.operation == "accept_invite" && accept.slot.rawValue == 33)
            #expect(accept.request?.actor?.userID == RunningEdge.user)
            #expect(accept.requestID != nil && accept.requestID != slots.requests.first?.requestID)
        }
    }
}

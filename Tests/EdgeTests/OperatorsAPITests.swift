import Foundation
import Glibc
import Identity
import NIOCore
import Placement
import Routing
import Testing
import Wire

@testable import Edge

@Suite("The operators' API", .timeLimit(.minutes(1)))
struct OperatorsAPITests {
    private let bearer = "Bearer \(RunningEdge.adminToken)"

    @Test("nothing is told without the operators' token, not even which paths exist")
    func access() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            for token in [nil, RunningEdge.token(), "Bearer \(RunningEdge.token())", "Bearer ", RunningEdge.adminToken]
            {
                for path in ["/admin/v1/cluster", "/admin/v1/nothing"] {
                    #expect(try await client.request("GET", path, token: token).status == 401)
                }
            }
            #expect(try await client.request("GET", "/admin/v1/cluster", token: bearer).status == 200)
            #expect(try await client.request("GET", "/admin/v1/nothing", token: bearer).status == 404)
            #expect(try await client.request("DELETE", "/admin/v1/cluster", token: bearer).status == 405)
        }
    }

    @Test("the cluster, its nodes, its shards and the place of an entity are told")
    func status() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            func get(_ path: String) async throws -> [String: Any] {
                let body = try await client.request("GET", "/admin/v1/\(path)", token: bearer).body
                return try #require(JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any])
            }
            let cluster = try await get("cluster")
            #expect(cluster["is_ready"] as? Bool == false && cluster["waiting_for"] as? [String] == ["a gateway"])
            #expect((cluster["slots"] as? [String: Int])?["primary_registered"] == 1024)
            #expect((cluster["nodes"] as? [String: Int]) == ["router": 0, "guild": 1, "gateway": 0, "voice": 0])
            let nodes = try #require(try await get("nodes")["nodes"] as? [[String: Any]])
            #expect(nodes.first?["id"] as? String == "guild-1" && nodes.first?["primary_slots"] as? Int == 1024)
            let shards = try #require(try await get("shards")["shards"] as? [[String: Any]])
            #expect(shards.map { $0["slot"] as? Int } == Array(0..<1024))
            #expect((try await get("shards?primary=other")["shards"] as? [Any])?.isEmpty == true)
            let id = Snowflake(milliseconds: 1000, slot: Slot(truncating: 19), sequence: 0)
            let entity = try await get("entities/\(id)")
            #expect(entity["slot"] as? Int == 19 && entity["primary"] as? String == "guild-1")
            #expect((entity["node"] as? [String: Any])?["is_registered"] as? Bool == true)
            #expect(try await client.request("GET", "/admin/v1/entities/x", token: bearer).status == 400)
        }
    }

    @Test("accounts and bots are made by operators' right, with a request id")
    func creation() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            #expect(try await client.request("POST", "/admin/v1/users", token: bearer, body: "{}").status == 200)
            let owner = RunningEdge.user
            let body = #"{"name":"b","owner_id":"\#(owner)"}"#
            #expect(try await client.request("POST", "/admin/v1/bots", token: bearer, body: body).status == 200)
            let guild = Snowflake(milliseconds: 1, slot: Slot(truncating: 8), sequence: 0)
            let path = "/admin/v1/guilds/\(guild)/bots/\(owner)"
            #expect(try await client.request("PUT", path, token: bearer, body: "").status == 200)
            let calls = edge.slots.requests
            #expect(calls.map { $0.request?.operation } == ["admin_create_user", "admin_create_bot", "admin_add_bot"])
            #expect(calls.allSatisfy { $0.request?.isOperator == true && $0.requestID != nil })
            #expect(calls[1].request?.subject?.id == owner && calls[2].request?.subject?.id == owner)
            #expect(calls[2].slot == guild.slot)
        }
    }

    @Test("the clock moves only in a cluster made for tests, and only so far")
    func clock() async throws {
        let body = #"{"offset_ms":-86400000}"#
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            #expect(try await client.request("PUT", "/admin/v1/test-clock", token: bearer, body: body).status == 403)
            #expect(edge.clockMoves.offsets.withLock { $0 } == [])
        }
        try await RunningEdge.run(isTest: true) { edge in
            let client = try RawClient(port: edge.server.port)
            let answer = try await client.request("PUT", "/admin/v1/test-clock", token: bearer, body: body)
            #expect(answer.status == 200 && answer.body.contains(#""offset_ms":-86400000"#))
            for bad in [#"{"offset_ms":1000000000000}"#, #"{"offset_ms":-9223372036854775808}"#, #"{"offset_ms":"x"}"#]
            {
                #expect(try await client.request("PUT", "/admin/v1/test-clock", token: bearer, body: bad).status == 400)
            }
            #expect(edge.clockMoves.offsets.withLock { $0 } == [.milliseconds(-86_400_000)])
        }
    }

    @Test("the token's file must be private and hold a token")
    func tokenFile() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("token").path
        #expect(throws: AdminTokenFile.Failure.unreadable(path, ENOENT)) { try AdminTokenFile.read(path) }
        func write(_ text: String, mode: mode_t) throws {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            #expect(chmod(path, mode) == 0)
        }
        try write("\(RunningEdge.adminToken)\n", mode: 0o600)
        #expect(try AdminTokenFile.read(path) == RunningEdge.adminToken)
        try write("\(RunningEdge.adminToken)\n", mode: 0o644)
        #expect(throws: AdminTokenFile.Failure.notPrivate(path, mode: 0o644)) { try AdminTokenFile.read(path) }
        for bad in ["", "short", "two lines of it\nand more text", String(repeating: "x", count: 5000)] {
            try write(bad, mode: 0o600)
            #expect(throws: AdminTokenFile.Failure.badToken(path)) { try AdminTokenFile.read(path) }
        }
    }
}

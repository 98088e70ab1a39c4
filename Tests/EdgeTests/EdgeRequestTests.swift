import Foundation
import Identity
import NIOCore
import Routing
import Testing
import Wire

@testable import Edge

@Suite("Requests over a socket", .timeLimit(.minutes(5)))
struct EdgeRequestTests {
    private let channel = Snowflake(milliseconds: 5, slot: Slot(truncating: 900), sequence: 3)

    @Test("a message goes to its channel's slot with actor, body and a request id; the answer's type is exact")
    func postMessage() async throws {
        let slots = FakeSlots { request, _ in
            RestReply(status: 200, body: ByteBuffer(string: "{\"echo\":\(String(buffer: request.body))}"))
        }
        try await RunningEdge.run(slots: slots) { edge in
            let client = try RawClient(port: edge.server.port)
            let answer = try await client.request(
                "POST", "/api/v10/channels/\(channel)/messages?a=b",
                token: "Bot \(RunningEdge.token(RunningEdge.botToken))",
                body: #"{"content":"hi"}"#,
                headers: ["Content-Type": "application/json", "X-Audit-Log-Reason": "because%20so"])
            #expect(answer.status == 200)
            #expect(answer.body == #"{"echo":{"content":"hi"}}"#)
            #expect(answer.headers["content-type"] == "application/json")
            let call = try #require(slots.requests.first)
            #expect(call.slot == Slot(truncating: 900))
            #expect(call.request?.operation == "create_message")
            #expect(call.request?.parameters == ["channel_id": "\(channel)"])
            #expect(call.request?.query.first?.value == "b")
            #expect(call.request?.actor?.userID == RunningEdge.user)
            #expect(call.request?.reason == "because so")
            #expect(call.requestID?.description == answer.headers["x-request-id"])
        }
    }

    @Test("reads carry no request id")
    func reads() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            let answer = try await client.request("GET", "/api/v9/channels/\(channel)", token: RunningEdge.token())
            #expect(answer.status == 200)
            #expect(edge.slots.requests.first?.requestID == nil)
        }
    }

    @Test("a token is checked: none, a forged one, a revoked one", arguments: ["", "Bot x.y.z", "bad", "Bot "])
    func badTokens(_ token: String) async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            let answer = try await client.request("GET", "/api/v10/users/@me", token: token.isEmpty ? nil : token)
            #expect(answer.status == 401)
            #expect(answer.body == #"{"code":0,"message":"401: Unauthorized"}"#)
            #expect(edge.slots.authentications == 0)
        }
    }

    @Test(
        "Bot stands before a bot's token, Bearer or nothing before a user's",
        arguments: [
            ("Bot ", true, 200), ("Bot ", false, 401), ("Bearer ", true, 401), ("Bearer ", false, 200), ("", true, 401),
            ("", false, 200),
        ])
    func schemes(scheme: String, isBot: Bool, status: Int) async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            let token = RunningEdge.token(isBot ? RunningEdge.botToken : 1)
            #expect(try await client.request("GET", "/api/v10/users/@me", token: scheme + token).status == status)
        }
    }

    @Test("a revoked token is refused within a second, and asked for once in that time")
    func revocation() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            func status() async throws -> Int {
                try await client.request("GET", "/api/v10/users/@me", token: RunningEdge.token(9)).status
            }
            for _ in 0..<20 { #expect(try await status() == 200) }
            #expect(edge.slots.authentications == 1)
            edge.clock.advance(by: .milliseconds(899))
            #expect(try await status() == 200)
            #expect(edge.slots.authentications == 1)
            edge.slots.revoked.withLock { _ = $0.insert(9) }
            edge.clock.advance(by: .milliseconds(100))
            #expect(try await status() == 401)
            #expect(edge.slots.authentications == 2)
        }
    }

    @Test("concurrent requests with one token ask its user's slot once")
    func coalescing() async throws {
        let gate = Gate()
        let slots = FakeSlots(authenticating: gate) { _, _ in
            RestReply(status: 200, body: ByteBuffer(string: "{}"))
        }
        try await RunningEdge.run(slots: slots) { edge in
            var clients: [RawClient] = []
            for _ in 0..<17 {
                let client = try RawClient(port: edge.server.port)
                #expect(try await client.request("GET", "/api/v10/gateway").status == 200)
                clients.append(client)
            }
            let last = clients.removeLast()
            let token = RunningEdge.token(RunningEdge.botToken)
            for client in clients {
                try client.send(
                    "GET /api/v10/users/@me HTTP/1.1\r\nHost: x\r\nAuthorization: Bot \(token)\r\n\r\n")
            }
            // The one event loop takes requests in the order in which they came: once this one is answered, all wait.
            #expect(try await last.request("GET", "/api/v10/gateway").status == 200)
            gate.open()
            for client in clients { #expect(try await client.answer().status == 200) }
            #expect(slots.authentications == 1)
        }
    }

    @Test("unknown paths, methods, versions and ids get Discord's bodies")
    func refusals() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            let token = RunningEdge.token()
            let unknown = try await client.request("GET", "/api/v10/nothing", token: token)
            #expect(unknown.status == 404 && unknown.body == #"{"code":0,"message":"404: Not Found"}"#)
            let method = try await client.request("PUT", "/api/v10/users/@me", token: token, body: "{}")
            #expect(method.status == 405 && method.body == #"{"code":0,"message":"405: Method Not Allowed"}"#)
            #expect(method.headers["allow"] == "GET, PATCH")
            let version = try await client.request("GET", "/api/v1/users/@me", token: token)
            #expect(version.status == 400 && version.body.contains("50041"))
            let id = try await client.request("GET", "/api/v10/channels/abc", token: token)
            #expect(id.status == 400 && id.body.contains(#""channel_id":{"_errors":[{"code":"NUMBER_TYPE_COERCE""#))
            let invite = try await client.request("GET", "/api/v10/invites/nope")
            #expect(invite.status == 404 && invite.body.contains("10006"))
            #expect(edge.slots.requests.isEmpty)
        }
    }

    @Test("a slot that does not answer in time gives 504 with Retry-After, in Discord's form")
    func unavailable() async throws {
        let slots = FakeSlots { _, _ throws(SlotCallFailure) in throw .deadlineExceeded("nobody is there") }
        try await RunningEdge.run(slots: slots) { edge in
            let client = try RawClient(port: edge.server.port)
            let answer = try await client.request("GET", "/api/v10/users/@me", token: RunningEdge.token())
            #expect(answer.status == 504 && answer.headers["retry-after"] == "1")
            #expect(answer.body == #"{"code":0,"message":"504: Gateway Timeout"}"#)
        }
    }

    @Test(
        "a change whose outcome is unknown gets a status that libraries do not repeat; one that did not run gets 504",
        arguments: [
            ("POST", SlotCallFailure.outcomeUnknown("lost"), 520), ("POST", .deadlineExceeded("nobody"), 504),
            ("GET", .outcomeUnknown("lost"), 504), ("POST", .clockApart("early"), 503),
        ])
    func unknownOutcome(_ method: String, _ failure: SlotCallFailure, _ status: Int) async throws {
        let slots = FakeSlots { _, _ throws(SlotCallFailure) in throw failure }
        try await RunningEdge.run(slots: slots) { edge in
            let client = try RawClient(port: edge.server.port)
            let answer = try await client.request(
                method, "/api/v10/channels/\(channel)/messages", token: RunningEdge.token(),
                body: method == "GET" ? nil : "{}")
            #expect(answer.status == status)
            #expect(answer.headers["retry-after"] == [503: "30", 504: "1"][status])
            #expect(answer.headers["content-type"] == "application/json")
        }
    }

    @Test("a call carries the trace that the client's header names, or a new one of its own")
    func traces() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            let trace = "0af7651916cd43dd8448eb211c80319c"
            for header in ["00-\(trace)-b7ad6b7169203331-01", "nonsense"] {
                let answer = try await client.request(
                    "GET", "/api/v10/users/@me", token: RunningEdge.token(), headers: ["traceparent": header])
                #expect(answer.status == 200)
            }
            let traces = edge.slots.requests.map { $0.trace?.traceID }
            #expect(traces.first == trace)
            #expect(traces.last != trace && traces.last??.count == 32)
        }
    }

    @Test("HEAD has the headers of GET and no body; OPTIONS lets any page ask")
    func headAndOptions() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            let head = try await client.request("HEAD", "/api/v10/gateway")
            #expect(
                head.status == 200
                    && head.headers["content-length"] == "\(#"{"url":"ws://chat.example:8080"}"#.utf8.count)")
            let options = try await client.request("OPTIONS", "/api/v10/users/@me")
            #expect(options.status == 204 && options.headers["access-control-allow-origin"] == "*")
            #expect(options.headers["access-control-allow-methods"]?.contains("PATCH") == true)
            #expect(options.headers["content-length"] == nil)
        }
    }

    @Test("204 has neither body nor type")
    func noContent() async throws {
        let slots = FakeSlots { _, _ in RestReply(status: 204) }
        try await RunningEdge.run(slots: slots) { edge in
            let client = try RawClient(port: edge.server.port)
            let answer = try await client.request(
                "POST", "/api/v10/channels/\(channel)/typing", token: RunningEdge.token(), body: "")
            #expect(answer.status == 204 && answer.headers["content-type"] == nil)
        }
    }
}

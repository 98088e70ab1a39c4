import Identity
import NIOCore
import Routing
import Testing
import Wire

@testable import Edge

@Suite("Clients that mean no good", .timeLimit(.minutes(5)))
struct HostileClientTests {
    private var limits: EdgeLimits {
        var limits = EdgeLimits.patient
        limits.maximumBodyBytes = 4096
        return limits
    }

    @Test("a body over the limit is answered 413, whether announced or not")
    func tooLarge() async throws {
        try await RunningEdge.run(limits: limits) { edge in
            let announced = try RawClient(port: edge.server.port)
            try announced.send("POST /api/v10/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 4097\r\n\r\n")
            let first = try await announced.answer()
            #expect(first.status == 413 && first.body.contains("40005") && first.headers["connection"] == "close")
            try await announced.end()

            let chunked = try RawClient(port: edge.server.port)
            let chunk = "800\r\n\(String(repeating: "x", count: 0x800))\r\n"
            try chunked.send(
                "POST /api/v10/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + chunk + chunk + chunk)
            #expect(try await chunked.answer().status == 413)
            try await chunked.end()
            #expect(edge.slots.requests.isEmpty)
        }
    }

    @Test("a body of exactly the limit, in chunks, is taken")
    func exactly() async throws {
        try await RunningEdge.run(limits: limits) { edge in
            let client = try RawClient(port: edge.server.port)
            let chunk = "800\r\n\(String(repeating: "x", count: 0x800))\r\n"
            try client.send(
                "POST /api/v10/auth/register HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + chunk + chunk + "0\r\n\r\n")
            #expect(try await client.answer().status == 200)
            #expect(edge.slots.requests.first?.request?.body.readableBytes == 4096)
        }
    }

    @Test("what is not HTTP gets 400, and header fields and targets without end their own status")
    func malformed() async throws {
        try await RunningEdge.run(limits: limits) { edge in
            for (text, status) in [
                ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n", 400), ("GET\r\n\r\n", 400),
                ("GET /api/v10/gateway HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
                ("GET / HTTP/1.1\r\nX: \(String(repeating: "y", count: 20_000))\r\n\r\n", 431),
                ("GET / HTTP/1.1\r\n\(String(repeating: "X: y\r\n", count: 200))\r\n", 431),
                ("GET /\(String(repeating: "y", count: 9000)) HTTP/1.1\r\nHost: x\r\n\r\n", 414),
            ] {
                let client = try RawClient(port: edge.server.port)
                try client.send(text)
                let answer = try await client.answer()
                #expect(answer.status == status, "\(text.prefix(40))")
                #expect(answer.headers["content-type"] == "application/json")
                try await client.end()
            }
        }
    }

    @Test("a head that comes too slowly ends the connection, however often a byte comes")
    func slowHead() async throws {
        var limits = limits
        limits.headTimeout = .milliseconds(400)
        try await RunningEdge.run(limits: limits) { edge in
            let client = try RawClient(port: edge.server.port)
            try client.send("GET /api/v10/gateway HTTP/1.1\r\nHost: ")
            // For longer than the test may take, so that the answer alone ends it.
            let drip = Task {
                while (try? client.send("x")) != nil { try await Task.sleep(for: .milliseconds(100)) }
            }
            let answer = try await client.answer()
            #expect(answer.status == 408)
            drip.cancel()
        }
    }

    @Test("a body that comes too slowly ends the connection")
    func slowBody() async throws {
        var limits = limits
        limits.bodyTimeout = .milliseconds(400)
        try await RunningEdge.run(limits: limits) { edge in
            let client = try RawClient(port: edge.server.port)
            try client.send("POST /api/v10/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
            #expect(try await client.answer().status == 408)
            try await client.end()
        }
    }

    @Test("a connection that says nothing more is closed without a word")
    func idle() async throws {
        var limits = limits
        limits.idleTimeout = .milliseconds(400)
        try await RunningEdge.run(limits: limits) { edge in
            let client = try RawClient(port: edge.server.port)
            #expect(try await client.request("GET", "/api/v10/gateway").status == 200)
            #expect(try await client.receive().isEmpty)
        }
    }

    @Test("a second request has a time of its own")
    func slowSecondHead() async throws {
        var limits = limits
        // The first request comes whole within it, by one system call.
        limits.headTimeout = .seconds(2)
        try await RunningEdge.run(limits: limits) { edge in
            let client = try RawClient(port: edge.server.port)
            #expect(try await client.request("GET", "/api/v10/gateway").status == 200)
            try client.send("GET ")
            #expect(try await client.answer().status == 408)
        }
    }

    @Test("pipelined requests are answered in order, one at a time")
    func pipelining() async throws {
        let slots = FakeSlots { request, _ in
            try? await Task.sleep(for: .milliseconds(request.parameters["user_id"] == "100" ? 100 : 1))
            return RestReply(status: 200, body: ByteBuffer(string: request.parameters["user_id"] ?? ""))
        }
        try await RunningEdge.run(slots: slots) { edge in
            let client = try RawClient(port: edge.server.port)
            let text = (100..<110).map {
                "GET /api/v10/users/\($0) HTTP/1.1\r\nHost: x\r\nAuthorization: \(RunningEdge.token())\r\n\r\n"
            }
            try client.send(text.joined())
            for id in 100..<110 { #expect(try await client.answer().body == "\(id)") }
        }
    }

    @Test("thousands of small pipelined requests cost no more stack than one")
    func deepPipelining() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            // The first is answered later, so that the others wait in the queue.
            let first = "GET /api/v10/users/1 HTTP/1.1\r\nHost: x\r\nAuthorization: \(RunningEdge.token())\r\n\r\n"
            try client.send(first + String(repeating: "GET /x HTTP/1.1\r\n\r\n", count: 3000))
            #expect(try await client.answer().status == 200)
            for _ in 0..<3000 { #expect(try await client.answer().status == 404) }
        }
    }

    @Test("connections over the limit are closed, and make room when they go")
    func connectionLimit() async throws {
        var limits = EdgeLimits.patient
        limits.maximumConnections = 2
        try await RunningEdge.run(limits: limits) { edge in
            let first = try RawClient(port: edge.server.port)
            do {
                let second = try RawClient(port: edge.server.port)
                #expect(try await first.request("GET", "/api/v10/gateway").status == 200)
                #expect(try await second.request("GET", "/api/v10/gateway").status == 200)
                let third = try RawClient(port: edge.server.port)
                await #expect(throws: RawClient.Failure.self) {
                    _ = try await third.request("GET", "/api/v10/gateway")
                }
            }
            while edge.server.connections > 1 { try await Task.sleep(for: .milliseconds(5)) }
            let fourth = try RawClient(port: edge.server.port)
            #expect(try await fourth.request("GET", "/api/v10/gateway").status == 200)
        }
    }

    @Test("a shutdown lets a request in progress finish and closes idle connections")
    func drain() async throws {
        let gate = Gate()
        let slots = FakeSlots { _, _ in
            await gate.wait()
            return RestReply(status: 200, body: ByteBuffer(string: "{}"))
        }
        try await RunningEdge.run(slots: slots) { edge in
            let idle = try RawClient(port: edge.server.port)
            #expect(try await idle.request("GET", "/api/v10/gateway").status == 200)
            let busy = try RawClient(port: edge.server.port)
            async let answer = busy.request("GET", "/api/v10/users/@me", token: RunningEdge.token())
            while slots.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            async let isEmptied = edge.server.shutdown(patience: .seconds(300))
            #expect(try await idle.receive().isEmpty)
            gate.open()
            let last = try await answer
            #expect(last.status == 200 && last.headers["connection"] == "close")
            #expect(await isEmptied)
        }
    }

    @Test("an Expect: 100-continue is met before the body")
    func expectation() async throws {
        try await RunningEdge.run { edge in
            let client = try RawClient(port: edge.server.port)
            try client.send(
                "POST /api/v10/auth/register HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            #expect(try await client.answer().status == 100)
            try client.send("{}")
            #expect(try await client.answer().status == 200)
        }
    }
}

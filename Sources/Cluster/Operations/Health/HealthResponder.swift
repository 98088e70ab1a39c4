import Logging
import NIOHTTP1

/// What the health server answers to a request, without I/O.
struct HealthResponder: Sendable {
    struct Response: Hashable, Sendable {
        var status: HTTPResponseStatus
        var contentType = "application/json"
        var body: String
        /// For 405: the methods that the path takes.
        var allowed: String?
    }

    let readiness: Readiness
    let telemetry: Telemetry

    func respond(method: HTTPMethod, path: String, body: String) -> Response {
        switch (method, path) {
        case (.GET, "/health/live"), (.HEAD, "/health/live"): Response(status: .ok, body: "{\"status\":\"live\"}")
        case (.GET, "/health/ready"), (.HEAD, "/health/ready"): ready()
        case (.GET, "/metrics"), (.HEAD, "/metrics"):
            Response(status: .ok, contentType: MetricsText.contentType, body: telemetry.metrics.exposition())
        case (.GET, "/log-level"): level()
        case (.PUT, "/log-level"): setLevel(body)
        case (_, "/health/live"), (_, "/health/ready"), (_, "/metrics"):
            Response(status: .methodNotAllowed, body: "{\"message\":\"method not allowed\"}", allowed: "GET, HEAD")
        case (_, "/log-level"):
            Response(status: .methodNotAllowed, body: "{\"message\":\"method not allowed\"}", allowed: "GET, PUT")
        default: Response(status: .notFound, body: "{\"message\":\"not found\"}")
        }
    }

    private func ready() -> Response {
        let waiting = readiness.waiting
        guard !waiting.isEmpty else { return Response(status: .ok, body: "{\"status\":\"ready\"}") }
        var line = LogLine()
        var body = "{\"status\":\"not ready\",\"reasons\":{"
        for (index, entry) in waiting.sorted(by: { $0.key < $1.key }).enumerated() {
            line = LogLine()
            line.appendJSON(string: entry.key)
            body += (index > 0 ? "," : "") + String(decoding: line.bytes, as: UTF8.self) + ":"
            line = LogLine()
            line.appendJSON(string: entry.value)
            body += String(decoding: line.bytes, as: UTF8.self)
        }
        return Response(status: .serviceUnavailable, body: body + "}}")
    }

    private func level() -> Response {
        Response(status: .ok, body: "{\"level\":\"\(telemetry.logLevel.level.rawValue)\"}")
    }

    /// The body is the level's bare name.
    private func setLevel(_ body: String) -> Response {
        let name = body.trimmingPrefix { $0.isWhitespace }.prefix { !$0.isWhitespace }
        guard let level = Logger.Level(rawValue: name.lowercased()) else {
            let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            return Response(status: .badRequest, body: "{\"message\":\"expected one of \(levels)\"}")
        }
        telemetry.logLevel.level = level
        return self.level()
    }
}

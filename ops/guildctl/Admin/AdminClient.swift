import AsyncHTTPClient
import Foundation
import NIOCore
import NIOFoundationCompat

/// Speaks the operators' API of one router (docs/admin-api.md).
struct AdminClient: Sendable {
    /// The longest answer that is read: 1,024 shard rows of a large cluster stay far below.
    static let maximumAnswerBytes = 16 << 20

    /// `http://host:port` or `https://…`, without a path.
    let endpoint: String
    let token: String
    let timeout: TimeAmount

    init(endpoint: String, token: String, timeout: TimeAmount = .seconds(15)) {
        var endpoint = endpoint
        while endpoint.hasSuffix("/") { endpoint.removeLast() }
        self.endpoint = endpoint
        self.token = token
        self.timeout = timeout
    }

    func cluster() async throws(AdminFailure) -> ClusterAnswer { try await get("/admin/v1/cluster") }

    func nodes() async throws(AdminFailure) -> [NodesAnswer.Node] {
        let answer: NodesAnswer = try await get("/admin/v1/nodes")
        return answer.nodes
    }

    /// - Parameter primary: keeps the rows of this node; all when absent.
    func shards(primary: String?) async throws(AdminFailure) -> [ShardsAnswer.Shard] {
        let query = primary.map { "?primary=\(AdminClient.escaped($0))" } ?? ""
        let answer: ShardsAnswer = try await get("/admin/v1/shards\(query)")
        return answer.shards
    }

    func entity(_ id: String) async throws(AdminFailure) -> EntityAnswer {
        try await get("/admin/v1/entities/\(AdminClient.escaped(id))")
    }

    func createUser(_ user: NewUser) async throws(AdminFailure) -> UserAnswer {
        try decode(try await send("POST", "/admin/v1/users", body: user), of: "/admin/v1/users")
    }

    func createBot(_ bot: NewBot) async throws(AdminFailure) -> BotAnswer {
        try decode(try await send("POST", "/admin/v1/bots", body: bot), of: "/admin/v1/bots")
    }

    func addBot(_ bot: String, to guild: String, permissions: String) async throws(AdminFailure) {
        let path = "/admin/v1/guilds/\(AdminClient.escaped(guild))/bots/\(AdminClient.escaped(bot))"
        _ = try await send("PUT", path, body: BotPermissions(permissions: permissions))
    }

    func verify(slot: Int, bytesPerSecond: Int) async throws(AdminFailure) -> VerificationAnswer {
        let path = "/admin/v1/verifications"
        return try decode(
            try await send("POST", path, body: VerificationOrder(slot: slot, bytesPerSecond: bytesPerSecond)), of: path)
    }

    func backupStep(_ step: BackupStep) async throws(AdminFailure) -> BackupStepAnswer {
        let path = "/admin/v1/backup-steps"
        return try decode(try await send("POST", path, body: step), of: path)
    }

    func setClock(offsetMilliseconds: Int64) async throws(AdminFailure) -> ClockAnswer {
        let path = "/admin/v1/test-clock"
        return try decode(try await send("PUT", path, body: ClockOffset(offsetMs: offsetMilliseconds)), of: path)
    }

    func get<Answer: Decodable>(_ path: String) async throws(AdminFailure) -> Answer {
        try decode(try await send("GET", path, body: String?.none), of: path)
    }

    func decode<Answer: Decodable>(_ body: ByteBuffer, of path: String) throws(AdminFailure) -> Answer {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(Answer.self, from: Data(buffer: body))
        } catch {
            throw .unexpectedAnswer(path: path, reason: "\(error)")
        }
    }

    func send(
        _ method: String, _ path: String, body: (some Encodable)?
    ) async throws(AdminFailure) -> ByteBuffer {
        var request = HTTPClientRequest(url: endpoint + path)
        request.method = .init(rawValue: method)
        request.headers.add(name: "Authorization", value: "Bearer \(token)")
        request.headers.add(name: "User-Agent", value: "guildctl")
        let response: HTTPClientResponse
        let answer: ByteBuffer
        do {
            if let body {
                let encoder = JSONEncoder()
                encoder.keyEncodingStrategy = .convertToSnakeCase
                request.headers.add(name: "Content-Type", value: "application/json")
                request.body = .bytes(ByteBuffer(data: try encoder.encode(body)))
            }
            response = try await PlainHTTP.client.execute(request, timeout: timeout)
            answer = try await response.body.collect(upTo: AdminClient.maximumAnswerBytes)
        } catch {
            throw .unreachable(address: endpoint, reason: "\(error)")
        }
        guard (200..<300).contains(response.status.code) else {
            let text = String(buffer: answer)
            let message = (try? JSONDecoder().decode(ErrorAnswer.self, from: Data(buffer: answer)))?.message
            // The nested errors say which field is wrong; they are printed as they came.
            let details = text.contains("\"errors\"") ? " \(text)" : ""
            throw .refused(
                status: Int(response.status.code), message: (message ?? response.status.reasonPhrase) + details)
        }
        return answer
    }

    static func escaped(_ part: String) -> String {
        part.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-._")))
            ?? part
    }
}

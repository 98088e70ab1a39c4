import Foundation

/// The part of the operators' API that changes the cluster's shape.
extension AdminClient {
    func replication() async throws(AdminFailure) -> ReplicationAnswer { try await get("/admin/v1/replication") }

    func settings() async throws(AdminFailure) -> SettingsAnswer { try await get("/admin/v1/settings") }

    func change(_ settings: SettingsChange) async throws(AdminFailure) -> SettingsAnswer {
        try decode(try await send("PATCH", "/admin/v1/settings", body: settings), of: "/admin/v1/settings")
    }

    func audit() async throws(AdminFailure) -> [String] {
        struct Answer: Decodable { var lines: [String] }
        let answer: Answer = try await get("/admin/v1/audit")
        return answer.lines
    }

    func top(_ count: Int) async throws(AdminFailure) -> TopAnswer { try await get("/admin/v1/top?count=\(count)") }

    // MARK: Nodes

    func drain(_ node: String) async throws(AdminFailure) {
        _ = try await send("PUT", "/admin/v1/nodes/\(AdminClient.escaped(node))/drain", body: String?.none)
    }

    func undrain(_ node: String) async throws(AdminFailure) {
        _ = try await send("DELETE", "/admin/v1/nodes/\(AdminClient.escaped(node))/drain", body: String?.none)
    }

    func remove(_ node: String) async throws(AdminFailure) {
        _ = try await send("DELETE", "/admin/v1/nodes/\(AdminClient.escaped(node))", body: String?.none)
    }

    // MARK: Shards

    func shard(_ slot: Int) async throws(AdminFailure) -> ShardsAnswer.Shard {
        try await get("/admin/v1/shards/\(slot)")
    }

    func move(_ slot: Int, to node: String) async throws(AdminFailure) -> ShardsAnswer.Shard {
        let path = "/admin/v1/shards/\(slot)/primary"
        return try decode(try await send("PUT", path, body: Destination(node: node)), of: path)
    }

    func pin(_ slot: Int, isPinned: Bool) async throws(AdminFailure) -> ShardsAnswer.Shard {
        let path = "/admin/v1/shards/\(slot)/pin"
        return try decode(try await send(isPinned ? "PUT" : "DELETE", path, body: String?.none), of: path)
    }

    func recovery(_ slot: Int, from node: String) async throws(AdminFailure) -> RecoveryAnswer {
        try await get("/admin/v1/shards/\(slot)/recovery?node=\(AdminClient.escaped(node))")
    }

    func recover(_ slot: Int, from node: String) async throws(AdminFailure) -> ShardsAnswer.Shard {
        let path = "/admin/v1/shards/\(slot)/recovery"
        return try decode(
            try await send("POST", path, body: RecoveryRequest(node: node, acceptLoss: true)), of: path)
    }

    // MARK: Rebalance

    func plan(_ request: RebalanceRequest) async throws(AdminFailure) -> PlanAnswer {
        var query: [String] = []
        if let measure = request.measure { query.append("measure=\(AdminClient.escaped(measure))") }
        if let bound = request.bound { query.append("bound=\(bound)") }
        if let concurrency = request.concurrency { query.append("concurrency=\(concurrency)") }
        if let bandwidth = request.bandwidth { query.append("bandwidth=\(bandwidth)") }
        return try await get("/admin/v1/rebalance/plan?" + query.joined(separator: "&"))
    }

    func start(_ request: RebalanceRequest) async throws(AdminFailure) -> JobAnswer {
        try decode(try await send("POST", "/admin/v1/rebalance", body: request), of: "/admin/v1/rebalance")
    }

    /// `nil` when there has been no rebalance.
    func job() async throws(AdminFailure) -> JobAnswer? {
        do throws(AdminFailure) { return try await get("/admin/v1/rebalance") } catch {
            if case .refused(404, _) = error { return nil }
            throw error
        }
    }

    func abortRebalance() async throws(AdminFailure) -> JobAnswer {
        try decode(try await send("DELETE", "/admin/v1/rebalance", body: String?.none), of: "/admin/v1/rebalance")
    }

    func finalize() async throws(AdminFailure) -> FinalizeAnswer {
        try decode(try await send("POST", "/admin/v1/finalize", body: String?.none), of: "/admin/v1/finalize")
    }
}

struct FinalizeAnswer: Codable, Sendable {
    var version: String
    var dataFormat: Int
}

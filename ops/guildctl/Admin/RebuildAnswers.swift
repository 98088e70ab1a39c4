/// What making the shard map anew would do, or has done.
struct RebuildAnswer: Codable, Sendable {
    struct Node: Codable, Sendable {
        var id: String
        var slots: Int
    }

    struct Doubt: Codable, Sendable {
        var slot: Int
        var reason: String
        var primary: String
    }

    var rebuilt: Int
    var kept: Int
    /// How many slots the disk of each holds.
    var answered: [Node]
    /// How many slots need each.
    var missing: [Node]
    var doubts: [Doubt]
}

struct RebuildRequest: Codable, Sendable { var acceptLoss: Bool }

extension AdminClient {
    private static let rebuildPath = "/admin/v1/coordinator/rebuild"

    func planRebuild() async throws(AdminFailure) -> RebuildAnswer { try await get(AdminClient.rebuildPath) }

    func rebuild(acceptLoss: Bool) async throws(AdminFailure) -> RebuildAnswer {
        try decode(
            try await send("POST", AdminClient.rebuildPath, body: RebuildRequest(acceptLoss: acceptLoss)),
            of: AdminClient.rebuildPath)
    }
}

import Foundation
import Identity
import NIOCore
import Routing
import Wire

/// Reads a guild's members at its slot to answer REQUEST_GUILD_MEMBERS, a page at a time.
struct MemberSource: Sendable {
    /// The most members that one request reads; a larger guild's are cut there.
    static let maximumMembers = 100_000
    static let pageSize = 1000
    /// The most time for one page or member, and for a whole request.
    static let deadline = TimeAmount.seconds(10)
    static let wholeDeadline = TimeAmount.seconds(60)

    let slots: any SlotCaller

    /// The chunks for a request. When the guild's slot does not answer in time there are none: the client asks again.
    func chunks(_ request: MemberRequest) async -> [ByteBuffer] {
        let chunks = GuildMembersChunks(request: request.request)
        let decoder = JSONDecoder()
        let end = NIODeadline.now() + MemberSource.wholeDeadline
        do {
            switch chunks.selection {
            case .users(let users):
                return try await self.users(users, request, chunks, end)
            case .all:
                guard request.hasMembersIntent else {
                    // Without the intent a session knows its own member only.
                    return try await users([request.actor.userID], request, chunks, end)
                }
                let members = try await pages(request, decoder, limit: .max, end) { _ in true }
                return chunks.payloads(members, notFound: [])
            case .prefix(let prefix, let limit):
                let members = try await pages(request, decoder, limit: limit, end) {
                    GuildMembersChunks.matches($0, prefix: prefix, decoder: decoder)
                }
                return chunks.payloads(members, notFound: [])
            }
        } catch {
            return []
        }
    }

    private func users(
        _ users: [UserID], _ request: MemberRequest, _ chunks: GuildMembersChunks, _ end: NIODeadline
    ) async throws -> [ByteBuffer] {
        var members: [ByteBuffer] = []
        var notFound: [UserID] = []
        for user in users {
            let reply = try await call(
                "get_guild_member", request, end, parameters: ["user_id": user.description])
            if reply.status == 200 { members.append(reply.body) } else { notFound.append(user) }
        }
        return chunks.payloads(members, notFound: notFound)
    }

    /// The first members that are wanted, `limit` at most.
    private func pages(
        _ request: MemberRequest, _ decoder: JSONDecoder, limit: Int, _ end: NIODeadline,
        where isWanted: (ByteBuffer) -> Bool
    ) async throws -> [ByteBuffer] {
        var members: [ByteBuffer] = []
        var after = UserID(rawValue: 0)
        var read = 0
        while read < MemberSource.maximumMembers, members.count < limit {
            let reply = try await call(
                "list_guild_members", request, end,
                query: [("limit", String(MemberSource.pageSize)), ("after", after.description)])
            guard reply.status == 200, let page = reply.body.jsonArrayElements() else { break }
            for member in page where members.count < limit && isWanted(member) { members.append(member) }
            read += page.count
            guard page.count == MemberSource.pageSize, let last = page.last,
                let next = GuildMembersChunks.userID(of: last, decoder: decoder), next > after
            else { break }
            after = next
        }
        return members
    }

    private func call(
        _ operation: String, _ request: MemberRequest, _ end: NIODeadline, parameters: [String: String] = [:],
        query: [(name: String, value: String)] = []
    ) async throws -> RestReply {
        let guild = request.request.guildID
        let rest = RestRequest(
            operation: operation,
            parameters: parameters.merging(["guild_id": guild.description], uniquingKeysWith: { $1 }),
            query: query, actor: request.actor)
        let body = try await slots.call(
            guild.slot, kind: .rest, body: rest.encoded(), requestID: nil,
            deadline: min(.now() + MemberSource.deadline, end))
        return try RestReply(decoding: body)
    }
}

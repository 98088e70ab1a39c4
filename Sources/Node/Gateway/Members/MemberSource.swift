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
    static let deadline = TimeAmount.seconds(10)

    let slots: any SlotCaller

    /// The chunks for a request. When the guild's slot does not answer in time there are none: the client asks again.
    func chunks(_ request: MemberRequest) async -> [ByteBuffer] {
        let chunks = GuildMembersChunks(request: request.request)
        let decoder = JSONDecoder()
        do {
            switch chunks.selection {
            case .users(let users):
                return try await self.users(users, request, chunks)
            case .all:
                guard request.hasMembersIntent else {
                    // Without the intent a session knows its own member only.
                    return try await users([request.actor.userID], request, chunks)
                }
                return chunks.payloads(try await pages(request, decoder) { _ in true }, notFound: [])
            case .prefix(let prefix, let limit):
                var found = 0
                let members = try await pages(request, decoder) { member in
                    guard found < limit, GuildMembersChunks.matches(member, prefix: prefix, decoder: decoder) else {
                        return false
                    }
                    found += 1
                    return true
                }
                return chunks.payloads(members, notFound: [])
            }
        } catch {
            return []
        }
    }

    private func users(
        _ users: [UserID], _ request: MemberRequest, _ chunks: GuildMembersChunks
    ) async throws -> [ByteBuffer] {
        var members: [ByteBuffer] = []
        var notFound: [UserID] = []
        for user in users {
            let reply = try await call("get_guild_member", request, parameters: ["user_id": user.description])
            if reply.status == 200 { members.append(reply.body) } else { notFound.append(user) }
        }
        return chunks.payloads(members, notFound: notFound)
    }

    private func pages(
        _ request: MemberRequest, _ decoder: JSONDecoder, where isWanted: (ByteBuffer) -> Bool
    ) async throws -> [ByteBuffer] {
        var members: [ByteBuffer] = []
        var after = UserID(rawValue: 0)
        var read = 0
        while read < MemberSource.maximumMembers {
            let reply = try await call(
                "list_guild_members", request,
                query: [("limit", String(MemberSource.pageSize)), ("after", after.description)])
            guard reply.status == 200, let page = reply.body.jsonArrayElements() else { break }
            members += page.filter(isWanted)
            read += page.count
            guard page.count == MemberSource.pageSize, let last = page.last,
                let next = GuildMembersChunks.userID(of: last, decoder: decoder), next > after
            else { break }
            after = next
        }
        return members
    }

    private func call(
        _ operation: String, _ request: MemberRequest, parameters: [String: String] = [:],
        query: [(name: String, value: String)] = []
    ) async throws -> RestReply {
        let guild = request.request.guildID
        let rest = RestRequest(
            operation: operation,
            parameters: parameters.merging(["guild_id": guild.description], uniquingKeysWith: { $1 }),
            query: query, actor: request.actor)
        let body = try await slots.call(
            guild.slot, kind: .rest, body: rest.encoded(), requestID: nil, deadline: .now() + MemberSource.deadline)
        return try RestReply(decoding: body)
    }
}

import Domain
import Foundation
import Identity
import NIOCore

/// Answers to REQUEST_GUILD_MEMBERS: GUILD_MEMBERS_CHUNK payloads, without I/O.
struct GuildMembersChunks {
    /// The most members of a chunk (Discord, "Guild Members Chunk").
    static let size = 1000
    /// The most members that a query by prefix gives.
    static let maximumLimit = 100

    let request: GuildMembersRequest

    /// Which members are asked for.
    enum Selection: Hashable {
        case users([UserID])
        case prefix(String, limit: Int)
        case all
    }

    var selection: Selection {
        if !request.userIDs.isEmpty { return .users(request.userIDs) }
        let query = request.query ?? ""
        let limit = request.limit ?? 0
        if query.isEmpty, limit == 0 { return .all }
        let bound = limit == 0 ? GuildMembersChunks.maximumLimit : min(limit, GuildMembersChunks.maximumLimit)
        return .prefix(query.lowercased(), limit: bound)
    }

    /// What is read of a member object.
    private struct Member: Decodable {
        struct User: Decodable {
            var id: UserID
            var username: String
            var globalName: String?

            enum CodingKeys: String, CodingKey {
                case id, username
                case globalName = "global_name"
            }
        }
        var user: User
        var nick: String?
    }

    /// The id of a member object's user.
    static func userID(of member: ByteBuffer, decoder: JSONDecoder) -> UserID? {
        (try? decoder.decode(Member.self, from: Data(member.readableBytesView)))?.user.id
    }

    /// Whether one of a member's names begins with `prefix`, in lower case.
    static func matches(_ member: ByteBuffer, prefix: String, decoder: JSONDecoder) -> Bool {
        guard let decoded = try? decoder.decode(Member.self, from: Data(member.readableBytesView)) else { return false }
        return [decoded.user.username, decoded.user.globalName, decoded.nick]
            .contains { $0?.lowercased().hasPrefix(prefix) == true }
    }

    /// The chunks for these member objects; at least one, so that the client is not left waiting.
    func payloads(_ members: [ByteBuffer], notFound: [UserID]) -> [ByteBuffer] {
        let count = max(1, (members.count + GuildMembersChunks.size - 1) / GuildMembersChunks.size)
        return (0..<count).map { index in
            let start = index * GuildMembersChunks.size
            let end = min(start + GuildMembersChunks.size, members.count)
            var writer = JSONWriter(capacity: 512 * (end - start) + 256)
            writer.object {
                $0.member("guild_id", request.guildID)
                $0.member("members", array: { for member in members[start..<end] { $0.raw(member) } })
                $0.member("chunk_index", index)
                $0.member("chunk_count", count)
                if !notFound.isEmpty {
                    $0.member("not_found", array: { for user in notFound { $0.snowflake(user.snowflake) } })
                }
                if request.presences == true { $0.member("presences", array: { _ in }) }
                if let nonce = request.nonce { $0.member("nonce", nonce) }
            }
            return writer.buffer
        }
    }
}

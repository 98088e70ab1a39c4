import Foundation
import Identity
import NIOCore

/// What a client says (Discord, "Gateway Opcodes"), decoded.
enum ClientPayload: Hashable {
    case heartbeat(sequence: Int?)
    case identify(Identify)
    case resume(Resume)
    case requestGuildMembers(GuildMembersRequest)
    /// Accepted, and without effect yet: presence, voice state, guild subscriptions, soundboard, channel info.
    case accepted(opcode: Int)

    enum Failure: Error, Hashable {
        case unknownOpcode
        case malformed
    }

    private struct Envelope: Decodable {
        var op: Int
    }
    private struct Body<Value: Decodable>: Decodable {
        var d: Value
    }
    private struct OptionalBody<Value: Decodable>: Decodable {
        var d: Value?
    }

    init(_ bytes: ByteBuffer, decoder: JSONDecoder) throws(Failure) {
        let data = Data(bytes.readableBytesView)
        do {
            switch try decoder.decode(Envelope.self, from: data).op {
            case 1: self = .heartbeat(sequence: try decoder.decode(OptionalBody<Int>.self, from: data).d)
            case 2: self = .identify(try decoder.decode(Body<Identify>.self, from: data).d)
            case 6: self = .resume(try decoder.decode(Body<Resume>.self, from: data).d)
            case 8: self = .requestGuildMembers(try decoder.decode(Body<GuildMembersRequest>.self, from: data).d)
            case let opcode where [3, 4, 14, 31, 37, 43].contains(opcode): self = .accepted(opcode: opcode)
            default: throw Failure.unknownOpcode
            }
        } catch {
            throw error as? Failure ?? .malformed
        }
    }
}

/// IDENTIFY. Unknown members are ignored, and undefined bits of `intents` are kept without effect, since libraries
/// send both.
struct Identify: Hashable, Decodable {
    var token: String
    /// Absent for user accounts, which get everything.
    var intents: Int64?
    /// `[shard id, count]`.
    var shard: [Int]?
    var compress: Bool?
    var largeThreshold: Int?
    /// User clients send it instead of intents.
    var capabilities: Int64?

    enum CodingKeys: String, CodingKey {
        case token, intents, shard, compress, capabilities
        case largeThreshold = "large_threshold"
    }
}

/// RESUME.
struct Resume: Hashable, Decodable {
    var token: String
    var sessionID: String
    var sequence: Int

    enum CodingKeys: String, CodingKey {
        case token
        case sessionID = "session_id"
        case sequence = "seq"
    }

    /// Libraries resume after each broken connection, also when they have no session yet and send null for it: they are
    /// to be told that it is invalid, and identify then. discord.py 2.7.1 does so without a pause after any other answer.
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        token = try container.decode(String.self, forKey: .token)
        let sessionID = try container.decodeIfPresent(String.self, forKey: .sessionID)
        let sequence = try container.decodeIfPresent(Int.self, forKey: .sequence)
        self.sessionID = sequence == nil ? Resume.noSession : sessionID ?? Resume.noSession
        self.sequence = sequence ?? 0
    }

    /// The id of no session.
    private static let noSession = ""
}

/// REQUEST_GUILD_MEMBERS.
struct GuildMembersRequest: Hashable, Decodable, Sendable {
    /// The longest nonce that comes back; a longer one is dropped, as in Discord.
    static let maximumNonceBytes = 32
    static let maximumUserIDs = 100

    var guildID: GuildID
    var query: String?
    var limit: Int?
    var userIDs: [UserID]
    var presences: Bool?
    var nonce: String?

    enum CodingKeys: String, CodingKey {
        case query, limit, presences, nonce
        case guildID = "guild_id"
        case userIDs = "user_ids"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        // Some libraries send the guild as a list of one.
        if let list = try? container.decode([GuildID].self, forKey: .guildID) {
            guard list.count == 1 else {
                throw DecodingError.dataCorruptedError(
                    forKey: .guildID, in: container, debugDescription: "one guild a request")
            }
            guildID = list[0]
        } else {
            guildID = try container.decode(GuildID.self, forKey: .guildID)
        }
        query = try container.decodeIfPresent(String.self, forKey: .query)
        limit = try container.decodeIfPresent(Int.self, forKey: .limit)
        presences = try container.decodeIfPresent(Bool.self, forKey: .presences)
        let nonce = try container.decodeIfPresent(String.self, forKey: .nonce)
        self.nonce = (nonce?.utf8.count ?? 0) <= GuildMembersRequest.maximumNonceBytes ? nonce : nil
        if let list = try? container.decodeIfPresent([UserID].self, forKey: .userIDs) {
            userIDs = list
        } else if let single = try container.decodeIfPresent(UserID.self, forKey: .userIDs) {
            userIDs = [single]
        } else {
            userIDs = []
        }
        guard userIDs.count <= GuildMembersRequest.maximumUserIDs, limit ?? 0 >= 0 else {
            throw DecodingError.dataCorruptedError(
                forKey: .userIDs, in: container, debugDescription: "at most 100 user ids, and no negative limit")
        }
    }
}

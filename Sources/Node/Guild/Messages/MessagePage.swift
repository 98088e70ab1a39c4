import Domain
import Identity
import NIOCore
import Wire

/// Messages as a page of history shows them, read from committed rows off the executor.
struct MessagePage {
    let reader: any RowReader
    let guild: GuildID
    let channel: ChannelID

    private var history: MessageHistory { MessageHistory(reader: reader, channel: channel) }

    /// Which messages of a channel are asked for.
    enum Position: Hashable, Sendable {
        case newest
        case before(MessageID)
        /// The oldest after a message.
        case after(MessageID)
        /// A message in the middle.
        case around(MessageID)
    }

    /// At most `limit` messages as a JSON array, newest first.
    func json(_ position: Position, limit: Int) throws -> ByteBuffer {
        let found = try messages(position, limit: limit)
        var profiles: [UserID: UserProfile] = [:]
        let views = try found.map { try view($0.id, $0.message, profiles: &profiles) }
        var writer = JSONWriter(capacity: 768 * max(1, views.count))
        writer.array { json in for view in views { json.message(view) } }
        return writer.buffer
    }

    /// One message; `nil` when it is not there.
    func json(_ id: MessageID) throws -> ByteBuffer? {
        guard let message = try history.message(id) else { return nil }
        var profiles: [UserID: UserProfile] = [:]
        var writer = JSONWriter(capacity: 1024)
        writer.message(try view(id, message, profiles: &profiles))
        return writer.buffer
    }

    /// A message as the answer to its post, with the nonce, or to its edit shows it.
    func answer(_ id: MessageID, _ message: Message, nonce: MessageNonce?) throws -> RestReply {
        var profiles: [UserID: UserProfile] = [:]
        let view = try view(id, message, profiles: &profiles)
        return .json { json in
            json.object { json in
                json.messageMembers(view, nonce: nonce)
                json.messageContentMembers(message)
            }
        }
    }

    private func messages(_ position: Position, limit: Int) throws -> [MessageHistory.Found] {
        switch position {
        case .newest: return try history.newest(before: nil, limit: limit)
        case .before(let id): return try history.newest(before: id, limit: limit)
        case .after(let id): return try history.oldest(after: id, limit: limit).reversed()
        case .around(let id):
            let newer = try history.oldest(after: id, limit: limit / 2)
            let end = MessageID(rawValue: id.rawValue == .max ? id.rawValue : id.rawValue + 1)
            return try newer.reversed() + history.newest(before: end, limit: limit - limit / 2)
        }
    }

    /// With the message replied to, and with people as they are now.
    func view(_ id: MessageID, _ message: Message, profiles: inout [UserID: UserProfile]) throws -> MessageView {
        var view = try bareView(id, message, profiles: &profiles)
        if let target = message.repliesTo {
            if let referenced = try history.message(target) {
                view.referenced = .message(try bareView(target, referenced, profiles: &profiles))
            } else {
                view.referenced = .gone
            }
        }
        return view
    }

    private func bareView(
        _ id: MessageID, _ message: Message, profiles: inout [UserID: UserProfile]
    ) throws -> MessageView {
        MessageView(
            id: id, channel: channel, guild: guild, message: message,
            author: try present(message.author, &profiles),
            mentions: try message.mentions.map { try present($0, &profiles) })
    }

    /// The profile in the member's row, if there is one; else the one stored with the message.
    private func present(_ stored: UserProfile, _ profiles: inout [UserID: UserProfile]) throws -> UserProfile {
        if let known = profiles[stored.id] { return known }
        let row = try reader.get(.guild, GuildKeys.member(guild, stored.id))
        let profile = try row.map { try Member(decoding: $0).profile } ?? stored
        profiles[stored.id] = profile
        return profile
    }
}

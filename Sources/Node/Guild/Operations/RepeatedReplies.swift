import Domain
import Identity
import Wire

/// Internal operations that give the answer to a change again, for a retry of its request (DESIGN §6.7).
///
/// They ask for no rights: the change was allowed, and may have taken from its actor the right to read what it made (an
/// author without READ_MESSAGE_HISTORY, a channel hidden from who created it). No client can name them: the router's
/// table of routes does not.
enum RepeatedReplies {
    static let operations: [String: OperationHandler] = [
        "repeat_message": message,
        "repeat_channel": channel,
        "repeat_guild": guild,
    ]

    // MARK: References

    /// - Parameter isPosted: the first answer was that to a post, which echoes the nonce; an edit's does not.
    static func reference(to id: MessageID, in channel: ChannelID, isPosted: Bool) -> ReplyReference {
        ReplyReference(
            status: 200, operation: "repeat_message",
            parameters: [
                "channel_id": channel.description, "message_id": id.description, "is_posted": "\(isPosted)",
            ])
    }

    static func reference(to channel: Channel, status: Int) -> ReplyReference {
        ReplyReference(
            status: status, operation: "repeat_channel", parameters: ["channel_id": channel.id.description])
    }

    static func reference(to guild: GuildAggregate, status: Int) -> ReplyReference {
        ReplyReference(status: status, operation: "repeat_guild", parameters: ["guild_id": guild.id.description])
    }

    // MARK: Operations

    @Sendable private static func message(
        _ request: RestRequest, in transaction: any SlotTransaction
    ) throws -> Outcome {
        let (guild, channel) = try place(request, transaction)
        let id: MessageID = try request.pathID("message_id")
        let page = MessagePage(reader: transaction, guild: guild.id, channel: channel.id)
        guard let message = try MessageHistory(reader: transaction, channel: channel.id).message(id) else {
            throw APIError.unknownMessage
        }
        let isPosted = request.parameters["is_posted"] == "true"
        return .reply(try page.answer(id, message, nonce: isPosted ? message.nonce : nil))
    }

    @Sendable private static func channel(
        _ request: RestRequest, in transaction: any SlotTransaction
    ) throws -> Outcome {
        let (guild, channel) = try place(request, transaction)
        let last = try GuildRows(transaction).lastMessageID(of: channel.id, in: guild.id)
        return .reply(.json { $0.channel(channel, guild: guild.id, lastMessage: last) })
    }

    @Sendable private static func guild(
        _ request: RestRequest, in transaction: any SlotTransaction
    ) throws -> Outcome {
        guard let guild = try GuildRows(transaction).guild(request.pathID("guild_id")) else {
            throw APIError.unknownGuild
        }
        return .reply(.json { $0.guild(guild) })
    }

    private static func place(
        _ request: RestRequest, _ transaction: any SlotTransaction
    ) throws -> (guild: GuildAggregate, channel: Channel) {
        let id: ChannelID = try request.pathID("channel_id")
        let rows = GuildRows(transaction)
        guard let guild = try rows.guildID(of: id).flatMap({ try rows.guild($0) }), let channel = guild.channels[id]
        else { throw APIError.unknownChannel }
        return (guild, channel)
    }
}

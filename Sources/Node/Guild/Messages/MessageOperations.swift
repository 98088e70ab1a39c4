import Domain
import Identity
import NIOCore
import Wire

/// Messages of a guild's channels: posting, reading, editing, deleting, typing.
enum MessageOperations {
    static let operations: [String: OperationHandler] = [
        "create_message": create,
        "get_message": get,
        "list_messages": list,
        "update_message": update,
        "delete_message": delete,
        "bulk_delete_messages": bulkDelete,
        "trigger_typing_indicator": type,
    ]

    static let cannotReply = APIError(
        status: 403, code: 160_002, message: "Cannot reply without permission to read message history")
    static let notText = APIError(
        status: 400, code: 50_008, message: "Cannot send messages in a non-text channel")

    // MARK: Reading

    /// `GET /channels/{channel_id}/messages/{message_id}`.
    @Sendable static func get(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let place = try ChannelAccess(request, transaction)
        try place.require(.readMessageHistory)
        let id: MessageID = try request.pathID("message_id")
        let (guild, channel) = (place.guild.id, place.channel.id)
        return .read { reader in
            guard let body = try MessagePage(reader: reader, guild: guild, channel: channel).json(id) else {
                throw APIError.unknownMessage
            }
            return RestReply(status: 200, body: body)
        }
    }

    /// `GET /channels/{channel_id}/messages`. Who may not read history sees an empty channel.
    @Sendable static func list(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let place = try ChannelAccess(request, transaction)
        let limit = try request.queryInteger("limit", in: 1...100, default: 50)
        let position: MessagePage.Position
        if let id: MessageID = try request.queryID("around") {
            position = .around(id)
        } else if let id: MessageID = try request.queryID("before") {
            position = .before(id)
        } else if let id: MessageID = try request.queryID("after") {
            position = .after(id)
        } else {
            position = .newest
        }
        guard place.permissions.contains(.readMessageHistory) else {
            return .reply(.json { $0.array { _ in } })
        }
        let (guild, channel) = (place.guild.id, place.channel.id)
        return .read { reader in
            let page = MessagePage(reader: reader, guild: guild, channel: channel)
            return RestReply(status: 200, body: try page.json(position, limit: limit))
        }
    }

    // MARK: Deleting

    /// `DELETE /channels/{channel_id}/messages/{message_id}`.
    @Sendable static func delete(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let place = try ChannelAccess(request, transaction)
        let rows = MessageRows(transaction)
        let id: MessageID = try request.pathID("message_id")
        guard let message = try rows.history(of: place.channel.id).message(id) else { throw APIError.unknownMessage }
        if message.author.id != place.member.userID { try place.require(.manageMessages) }
        rows.put(message.tombstone, as: id, in: place.channel.id)
        events(of: place).deleted(id)
        return .reply(.noContent)
    }

    /// `POST /channels/{channel_id}/messages/bulk-delete`. Ids of messages that are not there are passed over.
    @Sendable static func bulkDelete(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let place = try ChannelAccess(request, transaction)
        try place.require(.manageMessages)
        let body = try request.decodeBody(MessageBody.BulkDelete.self)
        var validation = Validation()
        validation.count(body.messages.count, in: MessageBody.BulkDelete.count, at: "messages")
        if Set(body.messages).count < body.messages.count {
            validation.fail(
                at: "messages", code: "SET_TYPE_ALREADY_CONTAINS_VALUE",
                message: "The set already contains this value.")
        }
        try validation.finish()
        let oldest = transaction.now + .milliseconds(-MessageBody.BulkDelete.maximumAge.milliseconds)
        guard body.messages.allSatisfy({ $0.snowflake.timestamp >= oldest }) else {
            throw APIError.tooOldForBulkDelete
        }
        let rows = MessageRows(transaction)
        let history = rows.history(of: place.channel.id)
        var deleted: [MessageID] = []
        for id in body.messages {
            guard let message = try history.message(id) else { continue }
            rows.put(message.tombstone, as: id, in: place.channel.id)
            deleted.append(id)
        }
        if !deleted.isEmpty { events(of: place).deletedTogether(deleted) }
        return .reply(.noContent)
    }

    // MARK: Typing

    /// `POST /channels/{channel_id}/typing`.
    @Sendable static func type(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let place = try ChannelAccess(request, transaction)
        try place.require(.sendMessages)
        events(of: place).typing(place.member, in: place.guild)
        return .reply(.noContent)
    }

    static func events(of place: ChannelAccess) -> MessageEvents {
        MessageEvents(transaction: place.rows.transaction, guild: place.guild.id, channel: place.channel.id)
    }
}

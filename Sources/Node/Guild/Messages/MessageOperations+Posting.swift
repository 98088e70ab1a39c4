import Domain
import Identity
import NIOCore
import Wire

/// Posting and editing.
extension MessageOperations {
    /// `POST /channels/{channel_id}/messages`.
    @Sendable static func create(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let place = try ChannelAccess(request, transaction)
        try place.require(.sendMessages)
        guard place.channel.kind == .text else { throw notText }
        let body = try request.decodeBody(MessageBody.Create.self)
        try body.validate()
        let channel = place.channel.id
        let rows = MessageRows(transaction)

        var message = Message(author: newest(of: request, place.member))
        message.content = MessageBody.trimmed(body.content ?? "")
        message.embeds = Embed.json(body.embeds ?? [])
        guard !message.content.isEmpty || message.embeds != nil else { throw APIError.emptyMessage }
        if message.embeds != nil { try place.require(.embedLinks) }
        message.isTTS = body.isTTS ?? false
        if message.isTTS { try place.require(.sendTTSMessages) }
        message.flags = MessageFlags(rawValue: body.flags ?? 0).intersection(.settable)
        message.nonce = body.nonce

        if body.enforceNonce == true, let nonce = body.nonce,
            let earlier = try rows.message(with: nonce, by: place.member.userID, in: channel),
            let reply = try repeated(earlier, nonce, in: place)
        {
            return .reply(reply)
        }

        let target = try body.reference.flatMap { try self.target(of: $0, in: place) }
        if let target {
            message.kind = .reply
            message.repliesTo = target.id
        }
        let mentions = try MessageMentions(
            in: message.content, allowed: body.allowedMentions, repliedTo: target?.author.id,
            author: place.member.userID, permissions: place.permissions, guild: place.guild, rows: place.rows)
        message.mention(mentions)

        let id = MessageID(try transaction.mint())
        try rows.add(message, as: id, to: channel)
        place.rows.putLastMessageID(id, of: channel, in: place.guild.id)
        let view = MessageView(
            id: id, channel: channel, guild: place.guild.id, message: message, author: message.author,
            mentions: message.mentions, referenced: target.map { .message($0) })
        let encoding = MessageEncoding(
            view, by: place.member, mentioned: mentions.users, in: place.guild, nonce: body.nonce)
        events(of: place).created(encoding, readers: message.contentReaders)
        return .replyOnce(
            RestReply(status: 200, body: encoding.reply),
            again: RepeatedReplies.reference(to: id, in: channel, isPosted: true))
    }

    /// `PATCH /channels/{channel_id}/messages/{message_id}`.
    ///
    /// The author changes everything; who may manage messages hides another's embeds, and nothing else.
    @Sendable static func update(_ request: RestRequest, in transaction: any SlotTransaction) throws -> Outcome {
        let place = try ChannelAccess(request, transaction)
        let rows = MessageRows(transaction)
        let channel = place.channel.id
        let history = rows.history(of: channel)
        let id: MessageID = try request.pathID("message_id")
        guard var message = try history.message(id) else { throw APIError.unknownMessage }
        let body = try request.decodeBody(MessageBody.Update.self)
        if message.author.id != place.member.userID {
            guard !body.changesContent, body.flags.isPresent else { throw APIError.cannotEditAnothersMessage }
            try place.require(.manageMessages)
        }
        try body.validate()

        if body.content.isPresent { message.content = MessageBody.trimmed(body.content.value ?? "") }
        if body.embeds.isPresent {
            message.embeds = Embed.json(body.embeds.value ?? [])
            if message.embeds != nil { try place.require(.embedLinks) }
        }
        guard !message.content.isEmpty || message.embeds != nil else { throw APIError.emptyMessage }
        if body.flags.isPresent {
            // Of a posted message only the hiding of embeds can be changed.
            let wanted = MessageFlags(rawValue: body.flags.value ?? 0).intersection(.suppressEmbeds)
            message.flags = message.flags.subtracting(.suppressEmbeds).union(wanted)
        }
        let author = try place.rows.member(message.author.id, of: place.guild.id)
        if body.changesContent {
            message.editedAt = transaction.now
            let target = try message.repliesTo.flatMap { try history.message($0)?.author.id }
            // Without new rules, the author of the message replied to stays mentioned if they were.
            let wasMentioned = target.map { target in message.mentions.contains { $0.id == target } } ?? false
            message.mention(
                try MessageMentions(
                    in: message.content, allowed: body.allowedMentions,
                    repliedTo: wasMentioned || body.allowedMentions != nil ? target : nil,
                    author: message.author.id, permissions: place.permissions, guild: place.guild, rows: place.rows))
        }
        rows.put(message, as: id, in: channel)

        var profiles: [UserID: UserProfile] = [:]
        let page = MessagePage(reader: transaction, guild: place.guild.id, channel: channel)
        let view = try page.view(id, message, profiles: &profiles)
        let mentioned = try message.mentions.compactMap { try place.rows.member($0.id, of: place.guild.id) }
        let encoding = MessageEncoding(view, by: author, mentioned: mentioned, in: place.guild, nonce: nil)
        events(of: place).updated(encoding, readers: message.contentReaders)
        return .replyOnce(
            RestReply(status: 200, body: encoding.reply),
            again: RepeatedReplies.reference(to: id, in: channel, isPosted: false))
    }

    /// The author's profile: their own slot's if it is newer than the guild's copy.
    private static func newest(of request: RestRequest, _ member: Member) -> UserProfile {
        guard let profile = request.actor?.profile, profile.version > member.profile.version else {
            return member.profile
        }
        return profile
    }

    /// The answer to a post that was made before with the same nonce; `nil` when that message is gone.
    private static func repeated(_ id: MessageID, _ nonce: MessageNonce, in place: ChannelAccess) throws -> RestReply? {
        let page = MessagePage(
            reader: place.rows.transaction, guild: place.guild.id, channel: place.channel.id)
        let history = MessageHistory(reader: place.rows.transaction, channel: place.channel.id)
        guard let message = try history.message(id) else { return nil }
        return try page.answer(id, message, nonce: nonce)
    }

    /// The message that a new one answers; `nil` when it is gone and the client takes a message that answers none.
    private static func target(of reference: MessageBody.Reference, in place: ChannelAccess) throws -> MessageView? {
        guard place.permissions.contains(.readMessageHistory) else { throw cannotReply }
        let channel = place.channel.id
        let history = MessageHistory(reader: place.rows.transaction, channel: channel)
        guard reference.channelID ?? channel == channel,
            let message = try history.message(reference.messageID)
        else {
            guard reference.failIfNotExists ?? true else { return nil }
            throw APIError.invalidForm(
                "message_reference", code: "REPLIES_UNKNOWN_MESSAGE", message: "Unknown message")
        }
        let author = try place.rows.member(message.author.id, of: place.guild.id)?.profile
        return MessageView(
            id: reference.messageID, channel: channel, guild: place.guild.id, message: message,
            author: author ?? message.author, mentions: message.mentions)
    }
}

extension Message {
    mutating func mention(_ found: MessageMentions) {
        mentions = found.users.map(\.profile)
        mentionedRoles = found.roles
        mentionsEveryone = found.isEveryone
    }

    /// Who sees the content without the MESSAGE_CONTENT intent.
    var contentReaders: [UserID] {
        var readers = [author.id]
        for mention in mentions where mention.id != author.id { readers.append(mention.id) }
        return readers
    }
}

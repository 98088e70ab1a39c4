import Domain
import Identity
import NIOCore
import Wire

/// A message with all that its JSON shows.
struct MessageView {
    /// The message that a reply answers.
    indirect enum Referenced {
        case message(MessageView)
        /// It was deleted.
        case gone
    }

    let id: MessageID
    let channel: ChannelID
    let guild: GuildID
    let message: Message
    /// The author as they are now, if they are still there; else as they were.
    var author: UserProfile
    var mentions: [UserProfile]
    /// Absent when the message is no reply, and in a message that is itself shown as the one replied to.
    var referenced: Referenced?
}

extension JSONWriter {
    /// MessageResponse of the OpenAPI document.
    mutating func message(_ view: MessageView, isRedacted: Bool = false) {
        object { json in
            json.messageMembers(view)
            json.messageContentMembers(view.message, isRedacted: isRedacted)
        }
    }

    /// The members of a message object but for its content.
    ///
    /// - Parameters:
    ///   - mentioned: the members behind the mentions, which events show and REST does not.
    ///   - nonce: echoed to the one who posts and to sessions, never read again.
    ///   - isRedacted: leaves out the content of the message replied to.
    mutating func messageMembers(
        _ view: MessageView, mentioned: [Member] = [], of guild: GuildAggregate? = nil, nonce: MessageNonce? = nil,
        isRedacted: Bool = false
    ) {
        let message = view.message
        member("id", view.id)
        member("type", message.kind.rawValue)
        member("channel_id", view.channel)
        member("author", user: view.author)
        member("timestamp", view.id.snowflake.timestamp)
        member("edited_timestamp", message.editedAt)
        member("flags", message.flags.rawValue)
        member("tts", message.isTTS)
        member("pinned", false)
        member("mention_everyone", message.mentionsEveryone)
        member(
            "mentions",
            array: { json in
                for profile in view.mentions {
                    json.object { json in
                        json.userMembers(profile)
                        guard let guild, let member = mentioned.first(where: { $0.userID == profile.id }) else {
                            return
                        }
                        json.member("member", object: { $0.memberMembers(member, of: guild, withUser: false) })
                    }
                }
            })
        member(
            "mention_roles",
            array: { json in
                for role in message.mentionedRoles { json.snowflake(role.snowflake) }
            })
        if let target = message.repliesTo {
            member(
                "message_reference",
                object: {
                    $0.member("type", 0)
                    $0.member("message_id", target)
                    $0.member("channel_id", view.channel)
                    $0.member("guild_id", view.guild)
                })
        }
        switch view.referenced {
        case .message(let referenced):
            name("referenced_message")
            self.message(referenced, isRedacted: isRedacted)
        case .gone: memberNull("referenced_message")
        case nil: break
        }
        switch nonce {
        case .text(let text): member("nonce", text)
        case .integer(let value):
            name("nonce")
            integer(value)
        case nil: break
        }
    }

    /// What the MESSAGE_CONTENT intent is about.
    mutating func messageContentMembers(_ message: Message, isRedacted: Bool = false) {
        member("content", isRedacted ? "" : message.content)
        if let embeds = message.embeds, !isRedacted, !message.flags.contains(.suppressEmbeds) {
            member("embeds", raw: embeds)
        } else {
            member("embeds", array: { _ in })
        }
        member("attachments", array: { _ in })
        member("components", array: { _ in })
    }
}

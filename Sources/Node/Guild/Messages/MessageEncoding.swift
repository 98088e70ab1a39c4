import Domain
import Identity
import NIOCore
import Wire

/// The three forms of one message that a post or an edit leads to, encoded with as little work as they allow.
///
/// The content stands at the end of the object, and what only events show comes after it. So in the frequent case, a
/// message that mentions nobody and answers none, the object is written once: the reply is its first part, and the
/// payload without content is made of the two parts around it.
struct MessageEncoding {
    /// The REST answer.
    let reply: ByteBuffer
    /// `d` of the event.
    let payload: ByteBuffer
    /// `d` for sessions without the MESSAGE_CONTENT intent; absent when there is no content to hide.
    let redactedPayload: ByteBuffer?

    /// What stands for the content of a redacted message.
    private static let noContent: StaticString = #","content":"","embeds":[],"attachments":[],"components":[]"#

    /// - Parameters:
    ///   - member: the author, if they are still one.
    ///   - mentioned: the members behind the message's mentions.
    init(_ view: MessageView, by member: Member?, mentioned: [Member], in guild: GuildAggregate, nonce: MessageNonce?) {
        let message = view.message
        let isShared = view.mentions.isEmpty
        let capacity = 1024 + message.content.utf8.count + (message.embeds?.readableBytes ?? 0)
        var reply = ByteBuffer()
        var content = (start: 0, end: 0)

        var writer = JSONWriter(capacity: capacity)
        writer.object { json in
            json.messageMembers(view, mentioned: mentioned, of: guild, nonce: nonce)
            content.start = json.buffer.writerIndex
            json.messageContentMembers(message)
            content.end = json.buffer.writerIndex
            if isShared {
                reply.reserveCapacity(content.end + 1)
                reply.writeImmutableBuffer(json.buffer)
                reply.writeInteger(UInt8(ascii: "}"))
            }
            json.eventMembers(of: view, by: member, in: guild)
        }
        payload = writer.buffer

        if !isShared {
            var writer = JSONWriter(capacity: capacity)
            writer.object { json in
                json.messageMembers(view, nonce: nonce)
                json.messageContentMembers(message)
            }
            reply = writer.buffer
        }
        self.reply = reply

        if case .message? = view.referenced {
            // The message replied to has content too, in the middle.
            var writer = JSONWriter(capacity: capacity)
            writer.object { json in
                json.messageMembers(view, mentioned: mentioned, of: guild, nonce: nonce, isRedacted: true)
                json.messageContentMembers(message, isRedacted: true)
                json.eventMembers(of: view, by: member, in: guild)
            }
            redactedPayload = writer.buffer
        } else if message.content.isEmpty, message.embeds == nil {
            redactedPayload = nil
        } else {
            let tail = payload.writerIndex - content.end
            var redacted = ByteBuffer()
            redacted.reserveCapacity(content.start + Self.noContent.utf8CodeUnitCount + tail)
            redacted.writeBytes(payload.viewBytes(at: 0, length: content.start) ?? ByteBufferView())
            redacted.writeStaticString(Self.noContent)
            redacted.writeBytes(payload.viewBytes(at: content.end, length: tail) ?? ByteBufferView())
            redactedPayload = redacted
        }
    }
}

extension JSONWriter {
    /// What MESSAGE_CREATE and MESSAGE_UPDATE show beyond the message object.
    fileprivate mutating func eventMembers(of view: MessageView, by author: Member?, in guild: GuildAggregate) {
        member("guild_id", view.guild)
        if let author { member("member", object: { $0.memberMembers(author, of: guild, withUser: false) }) }
    }
}

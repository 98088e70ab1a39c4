import Domain
import Identity
import NIOCore
import Wire

/// Emits the events of messages (Discord, "Gateway Events", messages).
struct MessageEvents {
    let transaction: any SlotTransaction
    let guild: GuildID
    let channel: ChannelID

    func created(_ encoding: MessageEncoding, readers: [UserID]) { posted("MESSAGE_CREATE", encoding, readers) }
    func updated(_ encoding: MessageEncoding, readers: [UserID]) { posted("MESSAGE_UPDATE", encoding, readers) }

    private func posted(_ type: String, _ encoding: MessageEncoding, _ readers: [UserID]) {
        transaction.emit(
            Event(
                type: type, root: .guild(guild), audience: .channel(channel), intents: Intents.guildMessages,
                payload: encoding.payload, redactedPayload: encoding.redactedPayload, contentReaders: readers))
    }

    func deleted(_ id: MessageID) {
        deleted("MESSAGE_DELETE") { $0.member("id", id) }
    }

    func deletedTogether(_ ids: [MessageID]) {
        deleted("MESSAGE_DELETE_BULK") { json in
            json.member("ids", array: { json in for id in ids { json.snowflake(id.snowflake) } })
        }
    }

    private func deleted(_ type: String, _ write: (inout JSONWriter) -> Void) {
        var writer = JSONWriter(capacity: 128)
        writer.object { json in
            write(&json)
            json.member("channel_id", channel)
            json.member("guild_id", guild)
        }
        transaction.emit(
            Event(
                type: type, root: .guild(guild), audience: .channel(channel), intents: Intents.guildMessages,
                payload: writer.buffer))
    }

    func typing(_ member: Member, in guild: GuildAggregate) {
        var writer = JSONWriter()
        writer.object { json in
            json.member("channel_id", channel)
            json.member("guild_id", guild.id)
            json.member("user_id", member.userID)
            json.member("timestamp", Int(transaction.now.milliseconds / 1000))
            json.member("member", object: { $0.memberMembers(member, of: guild) })
        }
        transaction.emitEphemeral(
            Event(
                type: "TYPING_START", root: .guild(guild.id), audience: .channel(channel),
                intents: Intents.guildMessageTyping, payload: writer.buffer))
    }
}

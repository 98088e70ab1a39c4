import Domain
import Identity
import NIOCore
import Wire

@testable import Guild
@testable import User

extension StoredValue {
    static var guild: [StoredValue] {
        var record = GuildRecord(id: guildID, name: "Guild", ownerID: userID)
        record.description = "what it is"
        record.systemChannelID = channelID
        record.verificationLevel = 2
        var role = Role(id: roleID, name: "Role", permissions: Permissions(rawValue: 1_024), position: 3)
        role.color = 255
        role.tertiaryColor = 3
        role.isHoisted = true
        role.botID = userID
        var channel = Channel(id: channelID, kind: .text, name: "general", position: 2)
        channel.topic = "topic"
        channel.parentID = ChannelID(rawValue: 9)
        channel.rateLimitPerUser = 5
        channel.replaceOverwrites([Overwrite(id: Snowflake(rawValue: 9), isMember: true, allow: 1, deny: 2)])
        channel.defaultAutoArchiveDuration = 60
        var member = Member(profile: profile, joinedAt: time)
        member.nick = "Al"
        member.roles = [roleID]
        member.flags = 4
        member.communicationDisabledUntil = time
        var invite = Invite(
            code: InviteCode(slot: slot, random: 0x1234_5678), guildID: guildID, channelID: channelID,
            inviter: profile, createdAt: time, maxAge: 86_400, maxUses: 3, isTemporary: true)
        invite.uses = 2
        var buckets = MessageBuckets()
        _ = buckets.insert(MessageBucket(of: messageID))
        _ = buckets.insert(MessageBucket(rawValue: 7))
        return [
            StoredValue("GuildRecord", record), StoredValue("Role", role), StoredValue("Channel", channel),
            StoredValue("Member", member), StoredValue("Invite", invite), StoredValue("NumberRow", NumberRow(258)),
            StoredValue("MessageBuckets", buckets), StoredValue("Message.plain", Message(author: profile)),
            StoredValue("Message.whole", message), StoredValue("Message.deleted", message.tombstone),
            StoredValue(
                "key.message", encoded: { ByteBuffer(bytes: MessageKeys.message(messageID, in: channelID)) },
                recoded: { $0 }),
            StoredValue(
                "key.buckets", encoded: { ByteBuffer(bytes: MessageKeys.buckets(of: channelID)) }, recoded: { $0 }),
        ]
    }

    private static var message: Message {
        var message = Message(author: profile)
        message.kind = .reply
        message.content = "hello"
        message.editedAt = time
        message.flags = [.suppressNotifications]
        message.isTTS = true
        message.mentionsEveryone = true
        message.mentions = [profile]
        message.mentionedRoles = [roleID]
        message.embeds = ByteBuffer(string: "[{}]")
        message.repliesTo = messageID
        message.nonce = .integer(-5)
        return message
    }

    static var user: [StoredValue] {
        var account = Account(id: userID, state: .active, username: "ann", created: time)
        account.globalName = "Ann"
        account.email = "ann@example.org"
        account.flags = 64
        account.owner = userID
        account.locale = "de"
        account.version = 3
        account.claims = [Account.Claim(kind: .username, text: "anna")]
        account.refusals = [Account.Claim(kind: .email, text: "anna@example.org")]
        account.grants = [Account.Claim(kind: .username, text: "an")]
        let plain = account
        var application = Application(name: "Bot")
        application.description = "what it does"
        application.owner = profile
        application.isPublic = false
        let withOwner = application
        return [
            StoredValue(
                "Account",
                encoded: {
                    var account = plain
                    account.password = try PasswordHash(
                        of: "password", salt: (1, 2), cost: .init(rounds: 2, blockSize: 1, parallelism: 1))
                    return account.encoded()
                }, recoded: { try Account(decoding: $0).encoded() }),
            StoredValue("Account.bot", plain), StoredValue("Application", withOwner),
            StoredValue(
                "key.account", encoded: { ByteBuffer(bytes: UserKeys.account(userID)) }, recoded: { $0 }),
            StoredValue(
                "key.token", encoded: { ByteBuffer(bytes: UserKeys.token(userID, 77)) }, recoded: { $0 }),
            StoredValue(
                "key.guild", encoded: { ByteBuffer(bytes: UserKeys.guild(userID, guildID)) }, recoded: { $0 }),
            StoredValue(
                "key.directoryEntry",
                encoded: { ByteBuffer(bytes: UserKeys.directoryEntry(.username("ann"))) }, recoded: { $0 }),
        ]
    }
}

import Identity
import NIOCore
import Testing

@testable import Wire

/// One value of every message, by the name under which `Vectors/messages.txt` and PROTOCOL.md have it.
enum Samples {
    static let guild = GuildID(rawValue: 0x0102_0304_0506_0708)
    static let user = UserID(rawValue: 0x1112_1314_1516_1718)
    static let channel = ChannelID(rawValue: 0x2122_2324_2526_2728)
    static let role = RoleID(rawValue: 0x3132_3334_3536_3738)
    static let number = EventNumber(index: LogIndex(rawValue: 300), ordinal: 2)
    static let profile = UserProfile(
        id: user, username: "ann", globalName: "Ann", avatar: "a1", isBot: true, publicFlags: 64, version: 3)
    static let event = Event(
        type: "MESSAGE_CREATE", root: .guild(guild), audience: .channel(channel), intents: 512,
        payload: ByteBuffer(string: "{\"content\":\"hi\"}"), redactedPayload: ByteBuffer(string: "{}"),
        contentReaders: [user], change: .role(RoleView(id: role, permissions: 1_024)))
    static let channelView = ChannelView(
        id: channel,
        overwrites: [Overwrite(id: Snowflake(rawValue: 9), isMember: true, allow: 1, deny: 2)],
        json: ByteBuffer(string: "{}"))
    static let memberView = MemberView(
        userID: user, roles: [role], joinedAt: Timestamp(milliseconds: 1_700_000_000_123),
        json: ByteBuffer(string: "{}"))

    static var slot: Slot { Slot(truncating: 517) }
    static var epoch: Epoch { Epoch(rawValue: 7) }

    /// A message and how to read it again.
    struct Sample: Sendable, CustomTestStringConvertible {
        var name: String
        var encoded: @Sendable () -> ByteBuffer
        /// Decodes, and encodes what came out.
        var recoded: @Sendable (ByteBuffer) throws(FieldError) -> ByteBuffer
        var testDescription: String { name }

        init<Message: FieldCodable & Sendable>(_ name: String, _ message: Message) {
            self.name = name
            encoded = { message.encoded() }
            recoded = { bytes throws(FieldError) in try Message(decoding: bytes).encoded() }
        }
    }

    static let all: [Sample] = frames + calls + streams + changes

    static let frames: [Sample] = [
        Sample(
            "Hello",
            Hello(
                versions: 1...2, node: NodeID(rawValue: "guild-1")!,
                cluster: ClusterID(verified: String(repeating: "0af1", count: 8)),
                lane: 2, mapEpoch: epoch)),
        Sample("Refusal", Refusal(.foreignCluster, "no")),
        Sample(
            "RequestHead",
            RequestHead(method: 1, remainingMilliseconds: 1_500, credit: 0, trace: ["traceparent": "00-a-b-01"])),
        Sample("Failure", Failure(.refused, "why")),
        Sample("Credit", Credit(items: 256)),
        Sample("Farewell", Farewell(reason: "drain", lastStreamID: 9)),
    ]

    static let calls: [Sample] = [
        Sample(
            "SlotCall",
            SlotCall(
                slot: slot, epoch: epoch, requestID: RequestID(mintedMilliseconds: 1_700_000_000_123, random: 0xabcdef),
                kind: .rest, body: ByteBuffer(string: "body"))),
        Sample("SlotReply.done", SlotReply.done(ByteBuffer(string: "body"))),
        Sample("SlotReply.moved", SlotReply.moved(epoch)),
        Sample("SlotReply.unavailable", SlotReply.unavailable("starting")),
        Sample("SlotReply.refused", SlotReply.refused("old")),
        Sample("SlotReply.interrupted", SlotReply.interrupted("lost")),
        Sample("SlotReply.clockApart", SlotReply.clockApart("early")),
        Sample(
            "RestRequest",
            RestRequest(
                operation: "create_message", parameters: ["channel_id": "5"], query: [("limit", "50")],
                actor: Actor(profile: profile, tokenID: 77), body: ByteBuffer(string: "{}"), reason: "spam",
                subject: profile, isOperator: true)),
        Sample("RestReply", RestReply(status: 200, body: ByteBuffer(string: "{}"))),
        Sample("AuthenticateRequest", AuthenticateRequest(userID: user, tokenID: 77)),
        Sample(
            "AuthenticateReply",
            AuthenticateReply(actor: Actor(profile: profile, tokenID: 77), allowedPrivilegedIntents: 2)),
    ]

    static let streams: [Sample] = [
        Sample(
            "EventStreamRequest.subscribe",
            EventStreamRequest.subscribe(root: .guild(guild), after: number, intents: 513, tag: 4)),
        Sample("EventStreamRequest.unsubscribe", EventStreamRequest.unsubscribe(root: .user(user))),
        Sample("EventStreamRequest.snapshot", EventStreamRequest.snapshot(root: .guild(guild), user: user, tag: 4)),
        Sample(
            "EventStreamRequest.fetch",
            EventStreamRequest.fetch(root: .guild(guild), after: .zero, through: number, tag: 4)),
        Sample("EventStreamItem.event", EventStreamItem.event(event, number: number, previous: .zero)),
        Sample(
            "EventStreamItem.subscribed", EventStreamItem.subscribed(root: .guild(guild), position: number, tag: 4)),
        Sample("EventStreamItem.gap", EventStreamItem.gap(root: .guild(guild), tag: 4)),
        Sample(
            "EventStreamItem.snapshot",
            EventStreamItem.snapshot(
                root: .guild(guild), number: number, body: ByteBuffer(string: "body"), tag: 4)),
        Sample(
            "EventStreamItem.fetched",
            EventStreamItem.fetched(
                root: .guild(guild), events: [NumberedEvent(number: number, event: event)], tag: 4)),
        Sample("EventStreamItem.moved", EventStreamItem.moved(root: .guild(guild), epoch: epoch, tag: 4)),
        Sample("EventStreamItem.unknown", EventStreamItem.unknown(root: .guild(guild), tag: 4)),
        Sample("Event", event),
        Sample(
            "GuildSnapshot",
            GuildSnapshot(
                id: guild, owner: user, roles: [RoleView(id: role, permissions: 8)], channels: [channelView],
                head: ByteBuffer(string: "\"id\":\"1\""), members: [memberView], memberCount: 1)),
        Sample(
            "UserSnapshot",
            UserSnapshot(
                profile: profile, userJSON: ByteBuffer(string: "{}"), applicationJSON: ByteBuffer(string: "{}"),
                guilds: [guild])),
    ]

    static let changes: [Sample] = [
        Sample("ViewChange.owner", ViewChange.owner(user)),
        Sample("ViewChange.role", ViewChange.role(RoleView(id: role, permissions: 8))),
        Sample("ViewChange.roleDeleted", ViewChange.roleDeleted(role)),
        Sample("ViewChange.channel", ViewChange.channel(channelView)),
        Sample("ViewChange.channelDeleted", ViewChange.channelDeleted(channel)),
        Sample("ViewChange.member", ViewChange.member(memberView)),
        Sample("ViewChange.memberRemoved", ViewChange.memberRemoved(user)),
        Sample("ViewChange.guildDeleted", ViewChange.guildDeleted),
        Sample("ViewChange.guildJoined", ViewChange.guildJoined(guild)),
        Sample("ViewChange.guildLeft", ViewChange.guildLeft(guild)),
        Sample("ViewChange.tokensRevoked", ViewChange.tokensRevoked([77, 78])),
    ]
}

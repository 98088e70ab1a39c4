import Domain
import Foundation
import Identity
import Testing
import Wire

@testable import Guild

@Suite("Posting a message")
struct PostingTests {
    @Test("A posted message is answered, announced and read again alike")
    func posting() throws {
        let talk = try Conversation()
        let posted = try talk.post("Hello, world", ["nonce": "abc"])
        #expect(posted["content"].text == "Hello, world")
        #expect(posted["author"]["id"].text == talk.scene.alice.id.description)
        #expect(posted["type"].int == 0 && posted["edited_timestamp"].isNull && posted["nonce"].text == "abc")
        #expect(posted["channel_id"].text == talk.channel)
        let id = try #require(MessageID(posted["id"].text))
        #expect(posted["timestamp"].text == id.snowflake.timestamp.description)
        #expect(id.slot == talk.guild.slot)

        let event = try talk.event("MESSAGE_CREATE")
        let channelID = try #require(ChannelID(talk.channel))
        #expect(event.root == .guild(talk.guild) && event.audience == .channel(channelID))
        #expect(event.intents == Intents.guildMessages)
        #expect(event.contentReaders == [talk.scene.alice.id])
        let payload = try talk.scene.payload(of: event)
        #expect(payload["guild_id"].text == talk.guild.description)
        #expect(payload["member"]["joined_at"].text != "" && payload["member"]["user"].value == nil)
        for name in posted.names { #expect(payload[name].canonical == posted[name].canonical) }
        #expect(payload.names == posted.names.union(["guild_id", "member"]))

        let read = try talk.call("get_message", as: talk.scene.bob, message: posted["id"].text)
        #expect(JSON(read.json).names == posted.names.subtracting(["nonce"]))
        #expect(JSON(read.json)["content"].text == "Hello, world")
        let channel = try talk.scene.done("get_channel", as: talk.scene.bob, ["channel_id": talk.channel])
        #expect(channel["last_message_id"].text == posted["id"].text)
    }

    @Test("Without the content intent a session gets the message without content, else the same")
    func redaction() throws {
        let talk = try Conversation()
        let embed = ["title": "secret title"]
        for more in [["embeds": [embed]], [:]] as [[String: Any]] {
            try talk.post("a secret", more)
            let event = try talk.event("MESSAGE_CREATE")
            let full = try talk.scene.payload(of: event)
            let redacted = JSON(try #require(event.redactedPayload).json())
            #expect(redacted.names == full.names)
            for name in ["content", "embeds", "attachments", "components"] {
                #expect(redacted[name].text == "" && redacted[name].array.isEmpty)
            }
            for name in full.names.subtracting(["content", "embeds"]) {
                #expect(redacted[name].canonical == full[name].canonical)
            }
        }
    }

    @Test("A reply's event without content hides the content of the message replied to as well")
    func redactedReply() throws {
        let talk = try Conversation()
        let first = try talk.post("a secret", as: talk.scene.bob)
        try talk.post("another secret", ["message_reference": ["message_id": first["id"].text]])
        let event = try talk.event("MESSAGE_CREATE")
        #expect(!String(buffer: try #require(event.redactedPayload)).contains("secret"))
        #expect(event.contentReaders == [talk.scene.alice.id, talk.scene.bob.id])
    }

    @Test("2,000 code points are taken, one more is refused, whatever their bytes")
    func length() throws {
        let talk = try Conversation()
        for character in ["a", "é", "𝄞", "👨‍👩‍👧"] {
            let scalars = character.unicodeScalars.count
            let longest = String(repeating: character, count: 2000 / scalars)
            try talk.post(longest)
            let answer = try talk.call(
                "create_message", as: talk.scene.alice,
                body: ["content": longest + String(repeating: "x", count: 2001 - longest.unicodeScalars.count)])
            #expect(answer.status == 400 && answer.code == 50035)
            #expect(Conversation.fault(answer, "content") == "BASE_TYPE_MAX_LENGTH")
        }
    }

    @Test(
        "What has no content is refused as empty",
        arguments: [
            "{}", #"{"content":""}"#, #"{"content":null}"#, #"{"content":" \n\t "}"#, #"{"embeds":[],"components":[]}"#,
            #"{"content":"","sticker_ids":[],"attachments":[]}"#,
        ])
    func empty(body: String) throws {
        let talk = try Conversation()
        let answer = try talk.call(
            "create_message", as: talk.scene.alice, body: JSONSerialization.jsonObject(with: Data(body.utf8)))
        #expect(answer.status == 400 && answer.code == 50006)
        #expect(talk.scene.slot.rowCount(.message) == 0)
    }

    @Test("White space around a text is not kept, within it is")
    func trimming() throws {
        let talk = try Conversation()
        #expect(try talk.post("\n  two\n words \t")["content"].text == "two\n words")
    }

    @Test("Characters that JSON escapes come back as they were")
    func escaping() throws {
        let talk = try Conversation()
        let content = "\"quoted\" \\ \u{1} \r\n\t \u{2028} 😀 </script>"
        let id = try talk.post(content)["id"].text
        let read = JSON(try talk.call("get_message", as: talk.scene.alice, message: id).json)
        #expect(read["content"].text == content)
        #expect(try talk.scene.payload(of: talk.event("MESSAGE_CREATE"))["content"].text == content)
    }

    @Test(
        "Lists that the server does not serve yet are refused, not dropped",
        arguments: ["components", "sticker_ids", "attachments"])
    func unserved(name: String) throws {
        let talk = try Conversation()
        try talk.post("x", [name: [] as [Any]])
        let answer = try talk.call(
            "create_message", as: talk.scene.alice, body: ["content": "x", name: [["id": 0] as [String: Any]]])
        #expect(answer.code == 50035)
        #expect(Conversation.fault(answer, name) == "BASE_TYPE_MAX_LENGTH")
    }

    @Test("Flags that a client may set are kept, others dropped")
    func flags() throws {
        let talk = try Conversation()
        #expect(try talk.post("x", ["flags": 1 << 12 | 1 << 2 | 1 | 1 << 6])["flags"].int == 1 << 12 | 1 << 2)
        #expect(try talk.post("x", ["tts": true], as: talk.scene.owner)["tts"].bool)
    }

    @Test(
        "Wrong types are named",
        arguments: [("content", 5 as any Sendable), ("embeds", "x"), ("tts", "yes"), ("flags", "z")])
    func wrongTypes(name: String, value: any Sendable) throws {
        let talk = try Conversation()
        let answer = try talk.call("create_message", as: talk.scene.alice, body: [name: value])
        #expect(answer.status == 400 && answer.code == 50035)
        #expect(JSON(answer.json)["errors"].names == [name])
    }

    @Test("A category takes no messages, and an unknown channel is unknown")
    func channels() throws {
        let talk = try Conversation()
        let channels = try talk.scene.done("list_guild_channels", as: talk.scene.owner, ["guild_id": talk.guild])
        let category = try #require(channels.array.first { $0["type"].int == 4 })["id"].text
        let body = ["content": "x"]
        let answer = try talk.scene.call(
            "create_message", as: talk.scene.owner, ["channel_id": category], body: body)
        #expect(answer.code == 50008)
        #expect(
            try talk.scene.call("create_message", as: talk.scene.owner, ["channel_id": "7"], body: body).code == 10003)
    }
}

extension Conversation {
    @discardableResult
    func post(_ content: String, _ more: [String: Any], as user: UserProfile? = nil) throws -> JSON {
        try post(content, as: user, more)
    }
}

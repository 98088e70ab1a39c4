import Domain
import Testing

@testable import Guild

@Suite("Who may do what with messages")
struct MessageRightsTests {
    @Test(
        "Without the permission the operation is refused, and nothing happens",
        arguments: [
            (Permissions.viewChannel, "create_message", 50001), (.sendMessages, "create_message", 50013),
            (.viewChannel, "list_messages", 50001), (.viewChannel, "get_message", 50001),
            (.readMessageHistory, "get_message", 50013), (.viewChannel, "update_message", 50001),
            (.viewChannel, "delete_message", 50001), (.viewChannel, "trigger_typing_indicator", 50001),
            (.sendMessages, "trigger_typing_indicator", 50013), (.viewChannel, "bulk_delete_messages", 50001),
        ])
    func refusals(denied: Permissions, operation: String, code: Int) throws {
        let talk = try Conversation()
        let message = try talk.post("mine")["id"].text
        try talk.deny(denied)
        let answer = try talk.call(
            operation, as: talk.scene.alice, message: message,
            body: ["content": "x", "messages": [message, "1"]] as [String: Any])
        #expect(answer.status == 403 && answer.code == code)
        #expect(talk.scene.slot.events.isEmpty && talk.scene.slot.ephemeralEvents.isEmpty)
    }

    @Test("Who may not read history sees an empty channel, and replies to nothing")
    func history() throws {
        let talk = try Conversation()
        let message = try talk.post("old")["id"].text
        try talk.deny(.readMessageHistory)
        #expect(try talk.list().isEmpty)
        #expect(try talk.list(as: talk.scene.owner).count == 1)
        let answer = try talk.call(
            "create_message", as: talk.scene.alice,
            body: ["content": "x", "message_reference": ["message_id": message]] as [String: Any])
        #expect(answer.status == 403 && answer.code == 160_002)
    }

    @Test("Embeds and TTS need their permissions")
    func embedsAndSpeech() throws {
        let talk = try Conversation()
        let embed: [String: Any] = ["embeds": [["title": "x"]]]
        #expect(try talk.call("create_message", as: talk.scene.alice, body: embed).status == 200)
        try talk.deny([.embedLinks, .sendTTSMessages])
        #expect(try talk.call("create_message", as: talk.scene.alice, body: embed).code == 50013)
        let speech: [String: Any] = ["content": "x", "tts": true]
        #expect(try talk.call("create_message", as: talk.scene.alice, body: speech).code == 50013)
    }

    @Test("Nobody but a member reads or writes")
    func outsiders() throws {
        let talk = try Conversation()
        let stranger = Scene.user(9, "stranger")
        for operation in ["create_message", "list_messages", "trigger_typing_indicator"] {
            let answer = try talk.call(operation, as: stranger, body: ["content": "x"])
            #expect(answer.status == 403 && answer.code == 50001)
        }
    }

    @Test("Typing is shown to the channel with the member, once, and is not kept")
    func typing() throws {
        let talk = try Conversation()
        #expect(try talk.call("trigger_typing_indicator", as: talk.scene.alice).status == 204)
        let event = try #require(talk.scene.slot.ephemeralEvents.first)
        #expect(event.type == "TYPING_START" && event.intents == Intents.guildMessageTyping)
        let payload = try talk.scene.payload(of: event)
        #expect(payload["user_id"].text == talk.scene.alice.id.description)
        #expect(payload["member"]["user"]["username"].text == "alice")
        #expect(payload["timestamp"].int == Int(talk.scene.slot.now.milliseconds / 1000))
        #expect(talk.scene.slot.events.isEmpty)
    }
}

import Testing

@testable import Guild

@Suite("Replies")
struct ReplyTests {
    @Test("A reply shows the message that it answers, in the answer, the event and the history")
    func reply() throws {
        let talk = try Conversation()
        let first = try talk.post("question", as: talk.scene.bob)
        let reference: [String: Any] = [
            "message_reference": ["message_id": first["id"].text, "type": 0] as [String: Any]
        ]
        let second = try talk.post("answer", reference)
        #expect(second["type"].int == 19)
        #expect(second["message_reference"]["message_id"].text == first["id"].text)
        #expect(second["message_reference"]["guild_id"].text == talk.guild.description)
        #expect(second["referenced_message"]["content"].text == "question")
        let payload = try talk.scene.payload(of: talk.event("MESSAGE_CREATE"))
        #expect(payload["referenced_message"]["content"].text == "question")
        #expect(try talk.list()[0]["referenced_message"]["author"]["username"].text == "bob")
    }

    @Test("A reply to a reply shows one message, not the chain")
    func chain() throws {
        let talk = try Conversation()
        let first = try talk.post("1")["id"].text
        let second = try talk.post("2", ["message_reference": ["message_id": first]])["id"].text
        let third = try talk.post("3", ["message_reference": ["message_id": second]])
        #expect(third["referenced_message"]["content"].text == "2")
        #expect(third["referenced_message"]["message_reference"]["message_id"].text == first)
        #expect(third["referenced_message"]["referenced_message"].value == nil)
    }

    @Test("When the message answered is deleted, null stands in its place")
    func deletedTarget() throws {
        let talk = try Conversation()
        let first = try talk.post("1")["id"].text
        try talk.post("2", ["message_reference": ["message_id": first]])
        _ = try talk.call("delete_message", as: talk.scene.alice, message: first)
        #expect(try talk.list()[0]["referenced_message"].isNull)
        #expect(try talk.list()[0]["message_reference"]["message_id"].text == first)
    }

    @Test("A reply to an unknown message is refused, or is no reply if the client prefers")
    func unknownTarget() throws {
        let talk = try Conversation()
        let answer = try talk.call(
            "create_message", as: talk.scene.alice,
            body: ["content": "x", "message_reference": ["message_id": "5"]] as [String: Any])
        #expect(answer.code == 50035)
        #expect(Conversation.fault(answer, "message_reference") == "REPLIES_UNKNOWN_MESSAGE")
        let posted = try talk.post(
            "x", ["message_reference": ["message_id": "5", "fail_if_not_exists": false] as [String: Any]])
        #expect(posted["type"].int == 0 && posted["message_reference"].value == nil)
    }

    @Test("A message of another channel is unknown here")
    func otherChannel() throws {
        let talk = try Conversation()
        let first = try talk.post("1")["id"].text
        let answer = try talk.call(
            "create_message", as: talk.scene.alice,
            body: ["content": "x", "message_reference": ["message_id": first, "channel_id": "5"]] as [String: Any])
        #expect(Conversation.fault(answer, "message_reference") == "REPLIES_UNKNOWN_MESSAGE")
    }

    @Test("Forwards are refused")
    func forwards() throws {
        let talk = try Conversation()
        let first = try talk.post("1")["id"].text
        let answer = try talk.call(
            "create_message", as: talk.scene.alice,
            body: ["content": "x", "message_reference": ["message_id": first, "type": 1] as [String: Any]]
                as [String: Any])
        #expect(Conversation.fault(answer, "message_reference", "type") == "BASE_TYPE_CHOICES")
    }
}

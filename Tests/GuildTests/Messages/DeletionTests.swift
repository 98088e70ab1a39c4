import Domain
import Identity
import Testing

@testable import Guild

@Suite("Deleting messages")
struct DeletionTests {
    @Test("A deleted message is gone for good and leaves no content in the store")
    func deletion() throws {
        let talk = try Conversation()
        let id = try talk.post("a secret", ["embeds": [["title": "secret"]]])["id"].text
        #expect(try talk.call("delete_message", as: talk.scene.alice, message: id).status == 204)
        let payload = try talk.scene.payload(of: talk.event("MESSAGE_DELETE"))
        #expect(payload.names == ["id", "channel_id", "guild_id"] && payload["id"].text == id)
        for operation in ["get_message", "update_message", "delete_message"] {
            let answer = try talk.call(operation, as: talk.scene.alice, message: id, body: ["content": "x"])
            #expect(answer.status == 404 && answer.code == 10008)
        }
        try talk.scene.slot.scan(.message, from: [], upTo: [255], reverse: false) { _, value in
            #expect(!String(buffer: value).contains("secret"))
            return true
        }
    }

    @Test("Another's message is deleted by those who manage messages, and by nobody else")
    func rights() throws {
        let talk = try Conversation()
        let id = try talk.post("x")["id"].text
        #expect(try talk.call("delete_message", as: talk.scene.bob, message: id).code == 50013)
        try talk.scene.makeRole(.manageMessages, in: talk.guild, for: talk.scene.bob)
        #expect(try talk.call("delete_message", as: talk.scene.bob, message: id).status == 204)
    }

    @Test("Many go at once, with one event; what is not there is passed over")
    func bulk() throws {
        let talk = try Conversation()
        let ids = try (0..<5).map { try talk.post("\($0)")["id"].text }
        talk.scene.slot.events.removeAll()
        let answer = try talk.call(
            "bulk_delete_messages", as: talk.scene.owner, body: ["messages": [ids[1], ids[3], foreign(talk)]])
        #expect(answer.status == 204)
        let payload = try talk.scene.payload(of: talk.event("MESSAGE_DELETE_BULK"))
        #expect(payload["ids"].array.map(\.text) == [ids[1], ids[3]])
        #expect(talk.scene.slot.events.count == 1)
        #expect(try talk.contents() == ["4", "2", "0"])
    }

    @Test("Messages older than two weeks are refused, and then none is deleted")
    func age() throws {
        let talk = try Conversation()
        let old = try talk.post("old")["id"].text
        talk.scene.slot.now = talk.scene.slot.now + .seconds(14 * 86_400)
        let young = try talk.post("young")["id"].text
        let call = { try talk.call("bulk_delete_messages", as: talk.scene.owner, body: ["messages": [young, old]]) }
        talk.scene.slot.now = talk.scene.slot.now + .milliseconds(1)
        let answer = try call()
        #expect(answer.status == 400 && answer.code == 50034)
        #expect(try talk.contents() == ["young", "old"])
        talk.scene.slot.now = talk.scene.slot.now + .milliseconds(-1)
        #expect(try call().status == 204)
        #expect(try talk.contents() == [])
    }

    @Test("One message, more than a hundred, or one twice is refused", arguments: [1, 101, 0])
    func count(count: Int) throws {
        let talk = try Conversation()
        let now = UInt64(talk.scene.slot.now.milliseconds - Snowflake.epochMilliseconds)
        let ids = (0..<count).map {
            Snowflake(milliseconds: now, slot: talk.guild.slot, sequence: UInt64($0)).description
        }
        #expect(
            try talk.call("bulk_delete_messages", as: talk.scene.owner, body: ["messages": ids]).code == 50035)
        let twice = [foreign(talk), foreign(talk)]
        #expect(
            try talk.call("bulk_delete_messages", as: talk.scene.owner, body: ["messages": twice]).code == 50035)
    }

    @Test("Bulk deletion needs MANAGE_MESSAGES, for one's own messages too")
    func bulkRights() throws {
        let talk = try Conversation()
        let ids = try (0..<2).map { try talk.post("\($0)")["id"].text }
        let answer = try talk.call("bulk_delete_messages", as: talk.scene.alice, body: ["messages": ids])
        #expect(answer.status == 403 && answer.code == 50013)
    }

    private func foreign(_ talk: Conversation) -> String {
        let now = UInt64(talk.scene.slot.now.milliseconds - Snowflake.epochMilliseconds)
        return Snowflake(milliseconds: now, slot: Slot(truncating: 999), sequence: 1).description
    }
}

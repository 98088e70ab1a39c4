import Domain
import Foundation
import Identity
import NIOCore
import Testing

@testable import Guild

@Suite("Editing a message")
struct EditTests {
    @Test("The author changes the text; everyone sees that and when")
    func editing() throws {
        let talk = try Conversation()
        let posted = try talk.post("old")
        talk.scene.slot.now = talk.scene.slot.now + .seconds(60)
        let answer = try talk.call(
            "update_message", as: talk.scene.alice, message: posted["id"].text, body: ["content": "new"])
        let edited = JSON(answer.json)
        #expect(edited["content"].text == "new" && edited["timestamp"].text == posted["timestamp"].text)
        #expect(edited["edited_timestamp"].text == talk.scene.slot.now.description)
        let event = try talk.event("MESSAGE_UPDATE")
        let payload = try talk.scene.payload(of: event)
        #expect(payload["content"].text == "new" && payload["guild_id"].text == talk.guild.description)
        #expect(payload["member"]["joined_at"].text != "")
        #expect(!String(buffer: try #require(event.redactedPayload)).contains("new\""))
        #expect(try talk.list()[0]["content"].text == "new")
    }

    @Test("Another's message cannot be edited, whatever one's rights")
    func another() throws {
        let talk = try Conversation()
        let id = try talk.post("mine")["id"].text
        for user in [talk.scene.bob, talk.scene.owner] {
            let answer = try talk.call("update_message", as: user, message: id, body: ["content": "x"])
            #expect(answer.status == 403 && answer.code == 50005)
        }
        #expect(try talk.list()[0]["content"].text == "mine")
    }

    @Test("Who manages messages hides another's embeds, and they come back")
    func suppression() throws {
        let talk = try Conversation()
        let id = try talk.post("x", ["embeds": [["title": "loud"]]])["id"].text
        #expect(try talk.call("update_message", as: talk.scene.bob, message: id, body: ["flags": 4]).code == 50013)
        let hidden = JSON(try talk.call("update_message", as: talk.scene.owner, message: id, body: ["flags": 4]).json)
        #expect(hidden["flags"].int == 4 && hidden["embeds"].array.isEmpty && hidden["edited_timestamp"].isNull)
        let shown = JSON(try talk.call("update_message", as: talk.scene.owner, message: id, body: ["flags": 0]).json)
        #expect(shown["embeds"].array.count == 1)
    }

    @Test("Only what is named changes; null clears; what would be empty is refused")
    func fields() throws {
        let talk = try Conversation()
        let id = try talk.post("x", ["embeds": [["title": "t"]], "flags": 1 << 12])["id"].text
        let edit = { (body: [String: Any]) in
            try talk.call("update_message", as: talk.scene.alice, message: id, body: body)
        }
        let first = JSON(try edit(["content": "y"]).json)
        #expect(first["embeds"].array.count == 1 && first["flags"].int == 1 << 12)
        let second = JSON(try edit(["content": NSNull()]).json)
        #expect(second["content"].text == "" && second["embeds"].array.count == 1)
        #expect(try edit(["embeds": [] as [Any]]).code == 50006)
        #expect(try edit(["content": "z", "embeds": NSNull()]).status == 200)
        #expect(try edit(["content": String(repeating: "z", count: 2001)]).code == 50035)
    }

    @Test("Mentions follow the new text")
    func mentions() throws {
        let talk = try Conversation()
        let id = try talk.post("<@\(talk.scene.bob.id)>")["id"].text
        let edited = try talk.call(
            "update_message", as: talk.scene.alice, message: id, body: ["content": "<@\(talk.scene.owner.id)>"])
        #expect(JSON(edited.json)["mentions"].array.map { $0["username"].text } == ["owner"])
        #expect(try talk.event("MESSAGE_UPDATE").contentReaders == [talk.scene.alice.id, talk.scene.owner.id])
    }

    @Test("An edited reply is still one, and who was mentioned by it stays so")
    func reply() throws {
        let talk = try Conversation()
        let first = try talk.post("1", as: talk.scene.bob)["id"].text
        let id = try talk.post("2", ["message_reference": ["message_id": first]])["id"].text
        let edited = JSON(
            try talk.call("update_message", as: talk.scene.alice, message: id, body: ["content": "3"]).json)
        #expect(edited["type"].int == 19 && edited["referenced_message"]["content"].text == "1")
        #expect(edited["mentions"].array.map { $0["username"].text } == ["bob"])
    }

    @Test("An unknown message is 10008")
    func unknown() throws {
        let talk = try Conversation()
        let answer = try talk.call("update_message", as: talk.scene.alice, message: "5", body: ["content": "x"])
        #expect(answer.status == 404 && answer.code == 10008)
    }
}

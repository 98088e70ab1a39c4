import Domain
import Identity
import Testing

@testable import Guild

@Suite("A nonce that is enforced")
struct NonceTests {
    @Test("The same nonce again gives the earlier message, and nothing new", arguments: ["text", "integer"])
    func repetition(kind: String) throws {
        let talk = try Conversation()
        let nonce: Any = kind == "text" ? "1234567890123456789" : 1_234_567_890_123_456_789
        let more = ["nonce": nonce, "enforce_nonce": true]
        let first = try talk.post("once", more)
        talk.scene.slot.events.removeAll()
        let second = try talk.post("once", more)
        #expect(second["id"].text == first["id"].text)
        #expect("\(second["nonce"].value ?? 0)" == "\(nonce)")
        #expect(talk.scene.slot.events.isEmpty)
        #expect(try talk.list().count == 1)
    }

    @Test("Another author's, another channel's and an unenforced nonce are no repetition")
    func differences() throws {
        let talk = try Conversation()
        let more: [String: Any] = ["nonce": "n", "enforce_nonce": true]
        try talk.post("1", more)
        try talk.post("2", more, as: talk.scene.bob)
        try talk.post("3", ["nonce": "n"])
        #expect(try talk.list().count == 3)
        let other = try talk.scene.done(
            "create_guild_channel", as: talk.scene.owner, ["guild_id": talk.guild], body: ["name": "other"])
        let posted = try talk.scene.done(
            "create_message", as: talk.scene.alice, ["channel_id": other["id"].text],
            body: more.merging(["content": "4"]) { $1 })
        #expect(posted["content"].text == "4")
    }

    @Test("A nonce is forgotten after minutes")
    func expiry() throws {
        let talk = try Conversation()
        let more: [String: Any] = ["nonce": "n", "enforce_nonce": true]
        try talk.post("1", more)
        talk.scene.slot.now = talk.scene.slot.now + .seconds(299)
        try talk.post("1", more)
        #expect(try talk.list().count == 1)
        talk.scene.slot.now = talk.scene.slot.now + .seconds(2)
        try talk.post("1", more)
        #expect(try talk.list().count == 2)
    }

    @Test("A new primary, which has nothing cached, knows the nonces of the last minutes")
    func failover() throws {
        let talk = try Conversation()
        let more: [String: Any] = ["nonce": "n", "enforce_nonce": true]
        let first = try talk.post("1", more)
        talk.scene.slot.caches.removeAll()
        #expect(try talk.post("1", more)["id"].text == first["id"].text)
    }

    @Test("A new primary does not read the messages of the last minutes unless a nonce is enforced")
    func unread() throws {
        let talk = try Conversation()
        for number in 0..<50 { try talk.post("\(number)") }
        talk.scene.slot.caches.removeAll()
        let before = talk.scene.slot.scannedRows[.message, default: 0]
        let first = try talk.post("x", ["nonce": "n"])
        #expect(talk.scene.slot.scannedRows[.message, default: 0] == before)
        #expect(try talk.post("x", ["nonce": "n", "enforce_nonce": true])["id"].text == first["id"].text)
        #expect(talk.scene.slot.scannedRows[.message, default: 0] == before + 51)
    }

    @Test("A nonce of more than 25 characters is refused")
    func length() throws {
        let talk = try Conversation()
        let answer = try talk.call(
            "create_message", as: talk.scene.alice,
            body: ["content": "x", "nonce": String(repeating: "n", count: 26)])
        #expect(Conversation.fault(answer, "nonce") == "BASE_TYPE_MAX_LENGTH")
    }
}

import Domain
import Foundation
import Identity
import Testing

@testable import Guild

@Suite("Mentions")
struct MentionTests {
    @Test(
        "What a text mentions",
        arguments: [
            ("hi <@1> and <@!2>", [1, 2], [], false), ("<@1><@1><@2>", [1, 2], [], false),
            ("<@&7> <@&8>", [], [7, 8], false), ("@everyone", [], [], true), ("x@here!", [], [], true),
            ("@ever @her <@> <@a> <@1 <@&> <@99999999999999999999999>", [], [], false),
            ("`<@1> @everyone` <@2>", [2], [], false), ("```\n<@1>\n@here``` <@&3>", [], [3], false),
            ("``a ` <@1>`` <@2>", [2], [], false), ("`never closed <@1>", [1], [], false), ("<<@1>>", [1], [], false),
            ("", [], [], false), ("<", [], [], false), ("@", [], [], false), ("`", [], [], false),
        ] as [(String, [UInt64], [UInt64], Bool)])
    func parsing(content: String, users: [UInt64], roles: [UInt64], hasEveryone: Bool) {
        let parsed = MentionParser(content)
        #expect(parsed.users.map(\.rawValue) == users)
        #expect(parsed.roles.map(\.rawValue) == roles)
        #expect(parsed.hasEveryone == hasEveryone)
    }

    @Test("No more than a hundred people are looked up for one message")
    func bound() {
        let content = (1...400).map { "<@\($0)>" }.joined()
        #expect(MentionParser(content).users.count == 100)
    }

    /// One text that mentions bob, two roles and everyone, under each rule.
    @Test(
        "Allowed mentions decide who of the text is notified",
        arguments: [
            (nil, ["bob"], 2, true), (#"{}"#, [], 0, false), (#"{"parse":[]}"#, [], 0, false),
            (#"{"parse":["users"]}"#, ["bob"], 0, false), (#"{"parse":["roles"]}"#, [], 2, false),
            (#"{"parse":["everyone"]}"#, [], 0, true),
            (#"{"parse":["users","roles","everyone"]}"#, ["bob"], 2, true),
            (#"{"users":["BOB"]}"#, ["bob"], 0, false), (#"{"users":["1"]}"#, [], 0, false),
            (#"{"roles":["ROLE"]}"#, [], 1, false), (#"{"parse":["everyone"],"users":["BOB"]}"#, ["bob"], 0, true),
        ] as [(String?, [String], Int, Bool)])
    func allowed(rules: String?, users: [String], roles: Int, everyone: Bool) throws {
        let talk = try Conversation()
        let roleIDs = try ["a", "b"].map { try talk.scene.makeRole([], in: talk.guild, name: $0) }
        let bob = talk.scene.bob.id.description
        var more: [String: Any] = [:]
        if let rules {
            let text = rules.replacing("BOB", with: bob).replacing("ROLE", with: roleIDs[0])
            more["allowed_mentions"] = try JSONSerialization.jsonObject(with: Data(text.utf8))
        }
        let posted = try talk.post(
            "<@\(bob)> <@&\(roleIDs[0])> <@&\(roleIDs[1])> @everyone", more, as: talk.scene.owner)
        #expect(posted["mentions"].array.map { $0["username"].text } == users)
        #expect(posted["mention_roles"].array.count == roles)
        #expect(posted["mention_everyone"].bool == everyone)
        let payload = try talk.scene.payload(of: talk.event("MESSAGE_CREATE"))
        for mention in payload["mentions"].array { #expect(mention["member"]["joined_at"].text != "") }
        for mention in posted["mentions"].array { #expect(mention["member"].value == nil) }
    }

    @Test("Without the permission everyone is only text, and so are roles that are not mentionable")
    func permission() throws {
        let talk = try Conversation()
        let role = try talk.scene.makeRole([], in: talk.guild)
        let open = try talk.scene.done(
            "create_guild_role", as: talk.scene.owner, ["guild_id": talk.guild],
            body: ["name": "open", "mentionable": true])["id"].text
        try talk.deny(.mentionEveryone)
        let posted = try talk.post("@everyone @here <@&\(role)> <@&\(open)> <@&\(talk.guild)>")
        #expect(!posted["mention_everyone"].bool)
        #expect(posted["mention_roles"].array.map(\.text) == [open])
    }

    @Test("Who is no member, and what is no role here, is only text")
    func strangers() throws {
        let talk = try Conversation()
        let posted = try talk.post("<@\(Scene.user(9, "x").id)> <@&5>", as: talk.scene.owner)
        #expect(posted["mentions"].array.isEmpty && posted["mention_roles"].array.isEmpty)
    }

    @Test(
        "The author of the message replied to is mentioned unless the rules leave them out",
        arguments: [
            (nil, true), (["replied_user": true], true), (["replied_user": false], false), ([:], false),
        ] as [([String: Bool]?, Bool)])
    func repliedUser(rules: [String: Bool]?, isMentioned: Bool) throws {
        let talk = try Conversation()
        let first = try talk.post("1", as: talk.scene.bob)["id"].text
        var more: [String: Any] = ["message_reference": ["message_id": first]]
        if let rules { more["allowed_mentions"] = rules }
        #expect(try talk.post("2", more)["mentions"].array.map { $0["username"].text } == (isMentioned ? ["bob"] : []))
    }

    @Test(
        "Rules that contradict each other or are unknown are refused",
        arguments: [
            #"{"parse":["users"],"users":["1"]}"#, #"{"parse":["roles"],"roles":["1"]}"#, #"{"parse":["nobody"]}"#,
        ])
    func badRules(rules: String) throws {
        let talk = try Conversation()
        let answer = try talk.call(
            "create_message", as: talk.scene.alice,
            body: ["content": "x", "allowed_mentions": try JSONSerialization.jsonObject(with: Data(rules.utf8))])
        #expect(answer.code == 50035 && JSON(answer.json)["errors"].names == ["allowed_mentions"])
    }
}

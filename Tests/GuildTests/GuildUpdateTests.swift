import Domain
import Foundation
import Identity
import Testing
import Wire

@Suite("Changing a guild")
struct GuildUpdateTests {
    @Test("What is in the body changes, what is left out stays, null clears")
    func partialUpdate() throws {
        let scene = Scene()
        let guild = try scene.makeGuild("Before")
        let changed = try scene.done(
            "update_guild", as: scene.owner, ["guild_id": guild],
            body: ["description": "About plants", "verification_level": 2, "preferred_locale": "de"])
        #expect(changed["name"].text == "Before")
        #expect(changed["description"].text == "About plants")
        #expect(changed["verification_level"].int == 2 && changed["preferred_locale"].text == "de")
        #expect(scene.slot.events.map(\.type) == ["GUILD_UPDATE"])
        #expect(scene.slot.events.first?.change == nil)
        let cleared = try scene.done(
            "update_guild", as: scene.owner, ["guild_id": guild],
            body: ["name": "After", "description": NSNull(), "system_channel_id": NSNull()])
        #expect(cleared["name"].text == "After")
        #expect(cleared["description"].isNull && cleared["system_channel_id"].isNull)
        #expect(cleared["verification_level"].int == 2)
    }

    @Test("A body that changes nothing makes no event")
    func noChange() throws {
        let scene = Scene()
        let guild = try scene.makeGuild("Same")
        try scene.done("update_guild", as: scene.owner, ["guild_id": guild], body: ["name": "Same"])
        #expect(scene.slot.events.isEmpty)
    }

    @Test("Without MANAGE_GUILD nothing changes")
    func rights() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let body = ["name": "Mine now"]
        let refused = try scene.call("update_guild", as: scene.alice, ["guild_id": guild], body: body)
        #expect(refused.status == 403 && refused.code == 50013)
        try scene.makeRole(.manageGuild, in: guild, for: scene.alice)
        try scene.done("update_guild", as: scene.alice, ["guild_id": guild], body: body)
    }

    @Test(
        "Values that Discord does not know are refused, all named at once",
        arguments: [
            ("verification_level", 5), ("default_message_notifications", 2), ("explicit_content_filter", -1),
            ("afk_timeout", 61), ("preferred_locale", "xx"), ("system_channel_id", "5"), ("icon", "not an image"),
        ] as [(String, any Sendable)])
    func badValues(name: String, value: any Sendable) throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let answer = try scene.call(
            "update_guild", as: scene.owner, ["guild_id": guild], body: [name: value, "description": tooLong])
        #expect(answer.code == 50035)
        #expect(JSON(answer.json)["errors"].names == [name, "description"])
    }

    private let tooLong = String(repeating: "x", count: 301)

    @Test("The owner hands the guild over to a member, and to nobody else")
    func ownership() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, scene.bob, guild: guild)
        try scene.makeRole(.administrator, in: guild, for: scene.bob)
        let body = ["owner_id": scene.alice.id.description]
        #expect(try scene.call("update_guild", as: scene.bob, ["guild_id": guild], body: body).code == 50013)
        let stranger = ["owner_id": Scene.user(9, "x").id.description]
        #expect(try scene.call("update_guild", as: scene.owner, ["guild_id": guild], body: stranger).code == 10007)
        let changed = try scene.done("update_guild", as: scene.owner, ["guild_id": guild], body: body)
        #expect(changed["owner_id"].text == scene.alice.id.description)
        #expect(scene.slot.events.last?.change == .owner(scene.alice.id))
        #expect(try scene.call("delete_guild", as: scene.owner, ["guild_id": guild]).code == 50013)
    }
}

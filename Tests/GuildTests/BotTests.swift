import Domain
import Foundation
import Identity
import Testing
import Wire

@Suite("Bots in guilds")
struct BotTests {
    private let bot = Scene.user(20, "Helper", isBot: true)

    private func authorize(
        _ scene: Scene, _ guild: GuildID, as user: UserProfile, _ permissions: Permissions,
        subject: UserProfile? = nil
    ) throws -> Answer {
        try scene.call(
            "authorize_bot", as: user, query: [("client_id", bot.id.description), ("scope", "bot")],
            body: ["guild_id": guild.description, "permissions": "\(permissions.rawValue)", "authorize": true],
            subject: subject ?? bot)
    }

    @Test("A bot joins with a managed role of its name that has what was granted")
    func joins() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        #expect(try authorize(scene, guild, as: scene.owner, [.sendMessages, .kickMembers]).status == 200)
        #expect(scene.eventTypes() == ["GUILD_ROLE_CREATE", "GUILD_MEMBER_ADD"])
        let roles = try scene.done("list_guild_roles", as: bot, ["guild_id": guild])
        let role = try #require(roles.array.first { $0["managed"].bool })
        #expect(role["name"].text == "Helper" && role["tags"]["bot_id"].text == bot.id.description)
        #expect(role["permissions"].text == "\(Permissions([.sendMessages, .kickMembers]).rawValue)")
        let member = try scene.done("get_my_guild_member", as: bot, ["guild_id": guild])
        #expect(member["roles"].array.map(\.text) == [role["id"].text] && member["user"]["bot"].bool)
        #expect(scene.slot.effects.map(\.destination) == [bot.id.slot])
    }

    @Test("Without permissions there is no role")
    func noRole() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        _ = try authorize(scene, guild, as: scene.owner, [])
        #expect(scene.eventTypes() == ["GUILD_MEMBER_ADD"])
    }

    @Test("Adding it again changes what its role may")
    func again() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        _ = try authorize(scene, guild, as: scene.owner, .sendMessages)
        scene.slot.events.removeAll()
        _ = try authorize(scene, guild, as: scene.owner, .manageMessages)
        #expect(scene.eventTypes() == ["GUILD_ROLE_UPDATE"])
        #expect(scene.slot.effects.count == 1)
    }

    @Test("It takes MANAGE_GUILD and the permissions that are granted, from a human")
    func rights() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        #expect(try authorize(scene, guild, as: scene.alice, .sendMessages).code == 50001)
        try scene.join(scene.alice, guild: guild)
        #expect(try authorize(scene, guild, as: scene.alice, .sendMessages).code == 50013)
        try scene.makeRole(.manageGuild, in: guild, for: scene.alice)
        #expect(try authorize(scene, guild, as: scene.alice, .banMembers).code == 50013)
        #expect(try authorize(scene, guild, as: scene.alice, .sendMessages).status == 200)
        #expect(try authorize(scene, guild, as: scene.owner, .administrator).status == 200)
        #expect(try authorize(scene, guild, as: scene.alice, []).code == 50013)
        #expect(try authorize(scene, guild, as: bot, .sendMessages).code == 20001)
        #expect(try authorize(scene, guild, as: scene.owner, [], subject: scene.bob).code == 10002)
    }

    @Test("Without consent nothing happens")
    func noConsent() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let answer = try scene.call(
            "authorize_bot", as: scene.owner, body: ["guild_id": guild.description, "authorize": false],
            subject: bot)
        #expect(answer.status == 200)
        #expect(scene.slot.events.isEmpty && scene.slot.effects.isEmpty)
    }

    @Test("The operators add a bot by their own right; nobody else does")
    func operators() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let refused = try scene.call("admin_add_bot", as: scene.owner, ["guild_id": guild], subject: bot)
        #expect(refused.status == 401)
        for permissions in ["8", "0"] {
            try scene.done(
                "admin_add_bot", as: nil, ["guild_id": guild], body: ["permissions": permissions], subject: bot,
                isOperator: true)
        }
        #expect(scene.eventTypes() == ["GUILD_ROLE_CREATE", "GUILD_MEMBER_ADD"])
        let summary = try scene.done("my_guild_summary", as: bot, ["guild_id": guild])
        #expect(summary["permissions"].text == "\(Permissions.all.rawValue)")
        let unknown = try scene.call("admin_add_bot", as: nil, ["guild_id": "5"], subject: bot, isOperator: true)
        #expect(unknown.code == 10004)
    }

    @Test("A bot's role is not given to others, and goes with the bot")
    func managedRole() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        _ = try authorize(scene, guild, as: scene.owner, .sendMessages)
        let roles = try scene.done("list_guild_roles", as: bot, ["guild_id": guild])
        let role = try #require(roles.array.first { $0["managed"].bool })["id"].text
        let parameters: [String: any CustomStringConvertible] = [
            "guild_id": guild, "role_id": role, "user_id": scene.alice.id,
        ]
        #expect(try scene.call("add_guild_member_role", as: scene.owner, parameters).code == 50028)
        #expect(try scene.call("delete_guild_role", as: scene.owner, parameters).code == 50028)
        scene.slot.events.removeAll()
        try scene.done("delete_guild_member", as: scene.owner, ["guild_id": guild, "user_id": bot.id])
        #expect(scene.eventTypes() == ["GUILD_MEMBER_REMOVE", "GUILD_ROLE_DELETE"])
        #expect(try scene.call("get_guild_role", as: scene.owner, parameters).code == 10011)
    }
}

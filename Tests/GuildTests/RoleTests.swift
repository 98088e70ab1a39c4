import Domain
import Foundation
import Identity
import Testing
import Wire

@Suite("Roles")
struct RoleTests {
    @Test("A new role is below the others and may what @everyone may, unless told")
    func creation() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let plain = try scene.done("create_guild_role", as: scene.owner, ["guild_id": guild], body: [String: Any]())
        #expect(plain["name"].text == "new role" && plain["position"].int == 1)
        #expect(plain["permissions"].text == "\(Permissions.defaultEveryone.rawValue)")
        #expect(scene.slot.events.map(\.type) == ["GUILD_ROLE_CREATE"])
        let event = try scene.payload(of: try #require(scene.slot.events.first))
        #expect(event["guild_id"].text == guild.description && event["role"]["id"].text == plain["id"].text)
        let coloured = try scene.done(
            "create_guild_role", as: scene.owner, ["guild_id": guild],
            body: [
                "name": "Blue", "permissions": "0", "hoist": true,
                "colors": ["primary_color": 255, "secondary_color": 65280],
            ])
        #expect(coloured["color"].int == 255 && coloured["colors"]["secondary_color"].int == 65280)
        #expect(coloured["colors"]["tertiary_color"].isNull && coloured["hoist"].bool)
        #expect(coloured["permissions"].text == "0")
    }

    @Test("Nobody hands out permissions that they lack")
    func grants() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let low = try scene.makeRole([], in: guild)
        try scene.makeRole(.manageRoles, in: guild, for: scene.alice)
        let kick = ["permissions": "\(Permissions.kickMembers.rawValue)"]
        let create = try scene.call("create_guild_role", as: scene.alice, ["guild_id": guild], body: kick)
        #expect(create.code == 50013)
        let update = try scene.call(
            "update_guild_role", as: scene.alice, ["guild_id": guild, "role_id": low], body: kick)
        #expect(update.code == 50013)
        let everyone = try scene.call(
            "update_guild_role", as: scene.alice, ["guild_id": guild, "role_id": guild], body: kick)
        #expect(everyone.code == 50013)
        try scene.done(
            "update_guild_role", as: scene.alice, ["guild_id": guild, "role_id": low], body: ["name": "renamed"])
    }

    @Test("Nobody touches a role that is not below their own")
    func hierarchy() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, scene.bob, guild: guild)
        let mine = try scene.makeRole(.manageRoles, in: guild, for: scene.alice, name: "mine")
        let high = try scene.makeRole([], in: guild, name: "high")
        for role in [mine, high] {
            let parameters: [String: any CustomStringConvertible] = ["guild_id": guild, "role_id": role]
            let answers = [
                try scene.call("update_guild_role", as: scene.alice, parameters, body: ["name": "x"]),
                try scene.call("delete_guild_role", as: scene.alice, parameters),
                try scene.call(
                    "add_guild_member_role", as: scene.alice, parameters.merging(["user_id": scene.bob.id]) { $1 }),
            ]
            for answer in answers { #expect(answer.status == 403 && answer.code == 50013) }
        }
    }

    @Test("Reordering numbers the roles anew; a role moved up stands above the one in its place")
    func reordering() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let (a, b, c) = (
            try scene.makeRole([], in: guild, name: "a"), try scene.makeRole([], in: guild, name: "b"),
            try scene.makeRole([], in: guild, name: "c")
        )
        func order() throws -> [String] {
            try scene.done("list_guild_roles", as: scene.owner, ["guild_id": guild]).array.map { $0["name"].text }
        }
        func move(_ moves: [(String, Int)]) throws {
            try scene.done(
                "bulk_update_guild_roles", as: scene.owner, ["guild_id": guild],
                body: moves.map { ["id": $0.0, "position": $0.1] as [String: Any] })
        }
        #expect(try order() == ["@everyone", "a", "b", "c"])
        try move([(a, 3)])
        #expect(try order() == ["@everyone", "b", "c", "a"])
        try move([(a, 1)])
        #expect(try order() == ["@everyone", "a", "b", "c"])
        try move([(a, 2), (b, 1)])
        #expect(try order() == ["@everyone", "b", "a", "c"])
        scene.slot.events.removeAll()
        try move([(c, 3)])
        #expect(scene.slot.events.isEmpty)
    }

    @Test("Nobody moves a role past their own")
    func reorderingRights() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let low = try scene.makeRole([], in: guild, name: "low")
        let lower = try scene.makeRole([], in: guild, name: "lower")
        let mine = try scene.makeRole(.manageRoles, in: guild, for: scene.alice, name: "mine")
        let high = try scene.makeRole([], in: guild, name: "high")
        let move = { (id: String, position: Int) in
            try scene.call(
                "bulk_update_guild_roles", as: scene.alice, ["guild_id": guild],
                body: [["id": id, "position": position]])
        }
        #expect(try move(low, 2).status == 200)
        for (id, position) in [(low, 3), (lower, 9), (mine, 1), (high, 1)] {
            #expect(try move(id, position).code == 50013, "\(id) to \(position)")
        }
        #expect(try move("5", 1).code == 10011)
        #expect(try move(guild.description, 2).code == 50035)
    }

    @Test("A deleted role is gone from its members and channels")
    func deletion() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let role = try scene.makeRole(.manageGuild, in: guild, for: scene.alice)
        let general = try scene.general(of: guild)
        try scene.done(
            "set_channel_permission_overwrite", as: scene.owner, ["channel_id": general, "overwrite_id": role],
            body: ["type": 0, "deny": "2048"])
        scene.slot.events.removeAll()
        try scene.done("delete_guild_role", as: scene.owner, ["guild_id": guild, "role_id": role])
        #expect(scene.eventTypes() == ["GUILD_ROLE_DELETE"])
        let member = try scene.done(
            "get_guild_member", as: scene.owner, ["guild_id": guild, "user_id": scene.alice.id])
        #expect(member["roles"].array.isEmpty)
        let channel = try scene.done("get_channel", as: scene.owner, ["channel_id": general])
        #expect(channel["permission_overwrites"].array.isEmpty)
        let denied = try scene.call("update_guild", as: scene.alice, ["guild_id": guild], body: ["name": "xx"])
        #expect(denied.code == 50013)
        let unknown = try scene.call("get_guild_role", as: scene.owner, ["guild_id": guild, "role_id": role])
        #expect(unknown.status == 404 && unknown.code == 10011)
    }

    @Test("@everyone is neither renamed, deleted nor given")
    func everyone() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let parameters: [String: any CustomStringConvertible] = [
            "guild_id": guild, "role_id": guild, "user_id": scene.owner.id,
        ]
        #expect(try scene.call("delete_guild_role", as: scene.owner, parameters).code == 50028)
        #expect(try scene.call("add_guild_member_role", as: scene.owner, parameters).code == 50028)
        let changed = try scene.done(
            "update_guild_role", as: scene.owner, parameters, body: ["name": "all", "permissions": "1024"])
        #expect(changed["name"].text == "@everyone" && changed["permissions"].text == "1024")
    }

    @Test("The 251st role is refused")
    func limit() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        for _ in 1..<250 {
            try scene.done("create_guild_role", as: scene.owner, ["guild_id": guild], body: [String: Any]())
        }
        let answer = try scene.call("create_guild_role", as: scene.owner, ["guild_id": guild], body: [String: Any]())
        #expect(answer.status == 400 && answer.code == 30005)
    }
}

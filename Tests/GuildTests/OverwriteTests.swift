import Domain
import Foundation
import Identity
import Testing
import Wire

@Suite("Permission overwrites of channels")
struct OverwriteTests {
    @Test("An overwrite hides a channel from those whom it denies the view")
    func hides() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, scene.bob, guild: guild)
        let general = try scene.general(of: guild)
        try scene.done(
            "set_channel_permission_overwrite", as: scene.owner,
            ["channel_id": general, "overwrite_id": guild], body: ["type": 0, "deny": "1024"])
        try scene.done(
            "set_channel_permission_overwrite", as: scene.owner,
            ["channel_id": general, "overwrite_id": scene.bob.id], body: ["type": 1, "allow": 1024])
        #expect(scene.eventTypes() == ["CHANNEL_UPDATE", "CHANNEL_UPDATE"])
        #expect(try scene.call("get_channel", as: scene.alice, ["channel_id": general]).code == 50001)
        try scene.done("get_channel", as: scene.bob, ["channel_id": general])
        try scene.done(
            "delete_channel_permission_overwrite", as: scene.owner, ["channel_id": general, "overwrite_id": guild])
        try scene.done("get_channel", as: scene.alice, ["channel_id": general])
        let gone = try scene.call(
            "delete_channel_permission_overwrite", as: scene.owner, ["channel_id": general, "overwrite_id": guild])
        #expect(gone.status == 404 && gone.code == 10009)
    }

    @Test("Nobody gives or denies in a channel what they may not do themselves")
    func lockOut() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let general = try scene.general(of: guild)
        let set = { (body: [String: Any]) in
            try scene.call(
                "set_channel_permission_overwrite", as: scene.alice,
                ["channel_id": general, "overwrite_id": scene.alice.id], body: body)
        }
        #expect(try set(["type": 1, "allow": "2048"]).code == 50013)
        try scene.makeRole(.manageRoles, in: guild, for: scene.alice)
        #expect(try set(["type": 1, "allow": "2048"]).status == 204)
        let banning = Permissions.banMembers.rawValue
        #expect(try set(["type": 1, "allow": "\(banning)"]).code == 50013)
        #expect(try set(["type": 1, "deny": "\(banning)"]).code == 50013)
    }

    @Test("An overwrite for a role that does not exist is refused, one for any user is taken")
    func targets() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let general = try scene.general(of: guild)
        let set = { (id: String, type: Int) in
            try scene.call(
                "set_channel_permission_overwrite", as: scene.owner, ["channel_id": general, "overwrite_id": id],
                body: ["type": type])
        }
        #expect(try set("5", 0).code == 10011)
        #expect(try set("5", 1).status == 204)
        #expect(try set("6", 2).code == 50035)
        #expect(try set("x", 1).code == 50035)
    }

    @Test("A patch replaces all overwrites, but only by who manages roles")
    func patch() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let general = try scene.general(of: guild)
        try scene.makeRole(.manageChannels, in: guild, for: scene.alice)
        let body = ["permission_overwrites": [["id": guild.description, "type": 0, "deny": "2048"] as [String: Any]]]
        #expect(try scene.call("update_channel", as: scene.alice, ["channel_id": general], body: body).code == 50013)
        let changed = try scene.done("update_channel", as: scene.owner, ["channel_id": general], body: body)
        #expect(changed["permission_overwrites"].array.count == 1)
        let twice = ["permission_overwrites": [["id": "5", "type": 1], ["id": "5", "type": 1]] as [[String: Any]]]
        #expect(try scene.call("update_channel", as: scene.owner, ["channel_id": general], body: twice).code == 50035)
    }

    @Test("lock_permissions takes over what the category says")
    func lockPermissions() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let general = try scene.general(of: guild)
        let parent = try scene.done("get_channel", as: scene.owner, ["channel_id": general])["parent_id"].text
        try scene.done(
            "set_channel_permission_overwrite", as: scene.owner, ["channel_id": parent, "overwrite_id": guild],
            body: ["type": 0, "deny": "2048"])
        try scene.done(
            "bulk_update_guild_channels", as: scene.owner, ["guild_id": guild],
            body: [["id": general, "lock_permissions": true]])
        let channel = try scene.done("get_channel", as: scene.owner, ["channel_id": general])
        #expect(channel["permission_overwrites"][0]["deny"].text == "2048")
    }
}

import Domain
import Foundation
import Identity
import Testing
import Wire

@Suite("Channels")
struct ChannelTests {
    @Test("A new text channel is announced to those who may view it, with its overwrites for the gateways")
    func creation() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let channel = try scene.done(
            "create_guild_channel", as: scene.owner, ["guild_id": guild],
            body: [
                "name": "Secret Plans", "topic": "hush", "rate_limit_per_user": 5,
                "permission_overwrites": [["id": guild.description, "type": 0, "deny": "1024", "allow": "0"]],
            ])
        #expect(channel["name"].text == "secret-plans")
        #expect(channel["topic"].text == "hush" && channel["rate_limit_per_user"].int == 5)
        let event = try #require(scene.slot.events.first)
        let id = try #require(ChannelID(channel["id"].text))
        #expect(event.type == "CHANNEL_CREATE" && event.audience == .channel(id))
        guard case .channel(let view)? = event.change else {
            Issue.record("no view for the gateways")
            return
        }
        #expect(view.id == id && view.overwrites.first?.deny == 1024)
        #expect(try scene.payload(of: event)["guild_id"].text == guild.description)
    }

    @Test("A channel made in a category takes over its overwrites, unless it brings its own")
    func synchronisedCreation() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let overwrites = [["id": guild.description, "type": 0, "deny": "2048"] as [String: Any]]
        let category = try scene.done(
            "create_guild_channel", as: scene.owner, ["guild_id": guild],
            body: ["name": "Quiet", "type": 4, "permission_overwrites": overwrites])
        let body: [String: Any] = ["name": "reading", "parent_id": category["id"].text]
        let synchronised = try scene.done("create_guild_channel", as: scene.owner, ["guild_id": guild], body: body)
        #expect(synchronised["permission_overwrites"][0]["deny"].text == "2048")
        let own = try scene.done(
            "create_guild_channel", as: scene.owner, ["guild_id": guild],
            body: body.merging(["permission_overwrites": [] as [Any]]) { $1 })
        #expect(own["permission_overwrites"].array.isEmpty)
    }

    @Test("A category takes 50 channels and no category; what is no category is no parent")
    func parents() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let make = { (body: [String: Any]) in
            try scene.call("create_guild_channel", as: scene.owner, ["guild_id": guild], body: body)
        }
        let category = JSON(try make(["name": "full", "type": 4]).json)["id"].text
        for number in 0..<50 { #expect(try make(["name": "c\(number)", "parent_id": category]).status == 201) }
        let full = try make(["name": "c51", "parent_id": category])
        let code = JSON(full.json)["errors"]["parent_id"]["_errors"][0]["code"].text
        #expect(code == "CHANNEL_PARENT_MAX_CHANNELS")
        #expect(try make(["name": "nested", "type": 4, "parent_id": category]).code == 50035)
        #expect(try make(["name": "c", "parent_id": try scene.general(of: guild)]).code == 50035)
        #expect(try make(["name": "c", "parent_id": "77"]).code == 50035)
    }

    @Test("Voice channels and unknown kinds are refused", arguments: [2, 5, 13, 99, -1])
    func otherKinds(kind: Int) throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let answer = try scene.call(
            "create_guild_channel", as: scene.owner, ["guild_id": guild], body: ["name": "x", "type": kind])
        #expect(JSON(answer.json)["errors"]["type"]["_errors"][0]["code"].text == "BASE_TYPE_CHOICES")
    }

    @Test("The 501st channel is refused")
    func limit() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        for number in 2..<500 {
            try scene.done("create_guild_channel", as: scene.owner, ["guild_id": guild], body: ["name": "c\(number)"])
        }
        let answer = try scene.call(
            "create_guild_channel", as: scene.owner, ["guild_id": guild], body: ["name": "last straw"])
        #expect(answer.status == 400 && answer.code == 30013)
    }

    @Test("Without MANAGE_CHANNELS nobody makes, changes, moves or deletes channels")
    func rights() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let general = try scene.general(of: guild)
        let answers = [
            try scene.call("create_guild_channel", as: scene.alice, ["guild_id": guild], body: ["name": "x"]),
            try scene.call("update_channel", as: scene.alice, ["channel_id": general], body: ["name": "x"]),
            try scene.call("delete_channel", as: scene.alice, ["channel_id": general]),
            try scene.call(
                "bulk_update_guild_channels", as: scene.alice, ["guild_id": guild],
                body: [["id": general, "position": 3]]),
        ]
        for answer in answers { #expect(answer.status == 403 && answer.code == 50013) }
        #expect(scene.slot.events.isEmpty)
    }

    @Test("A patch changes what it names, clears on null, and says so once")
    func update() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let general = try scene.general(of: guild)
        let changed = try scene.done(
            "update_channel", as: scene.owner, ["channel_id": general],
            body: ["name": "Tea Room", "topic": "Tea", "nsfw": true, "parent_id": NSNull()])
        #expect(changed["name"].text == "tea-room" && changed["topic"].text == "Tea" && changed["nsfw"].bool)
        #expect(changed["parent_id"].isNull)
        #expect(scene.eventTypes() == ["CHANNEL_UPDATE"])
        let cleared = try scene.done(
            "update_channel", as: scene.owner, ["channel_id": general], body: ["topic": NSNull()])
        #expect(cleared["topic"].isNull && cleared["nsfw"].bool)
        scene.slot.events.removeAll()
        try scene.done("update_channel", as: scene.owner, ["channel_id": general], body: ["name": "tea-room"])
        #expect(scene.slot.events.isEmpty)
    }

    @Test("A deleted channel is unknown; what hung on it is let go")
    func deletion() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let channels = try scene.done("list_guild_channels", as: scene.owner, ["guild_id": guild])
        let category = try #require(channels.array.first { $0["type"].int == 4 })["id"].text
        let general = try scene.general(of: guild)
        let invite = try scene.done(
            "create_channel_invite", as: scene.owner, ["channel_id": general], body: [String: Any]())
        scene.slot.events.removeAll()
        try scene.done("delete_channel", as: scene.owner, ["channel_id": category])
        #expect(scene.eventTypes() == ["CHANNEL_DELETE", "CHANNEL_UPDATE"])
        #expect(try scene.done("get_channel", as: scene.owner, ["channel_id": general])["parent_id"].isNull)
        let deleted = try scene.done("delete_channel", as: scene.owner, ["channel_id": general])
        #expect(deleted["id"].text == general)
        #expect(scene.eventTypes() == ["INVITE_DELETE", "CHANNEL_DELETE", "GUILD_UPDATE"])
        #expect(try scene.call("get_channel", as: scene.owner, ["channel_id": general]).code == 10003)
        #expect(try scene.call("invite_resolve", as: nil, ["code": invite["code"].text]).code == 10006)
        let after = try scene.done("get_guild", as: scene.owner, ["guild_id": guild])
        #expect(after["system_channel_id"].isNull)
    }

    @Test("Reordering moves several channels, and tells only of those that changed")
    func reordering() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let general = try scene.general(of: guild)
        let other = try scene.done(
            "create_guild_channel", as: scene.owner, ["guild_id": guild], body: ["name": "other"])["id"].text
        scene.slot.events.removeAll()
        try scene.done(
            "bulk_update_guild_channels", as: scene.owner, ["guild_id": guild],
            body: [["id": general, "position": 0], ["id": other, "position": 7, "parent_id": NSNull()]])
        #expect(scene.eventTypes() == ["CHANNEL_UPDATE"])
        #expect(try scene.done("get_channel", as: scene.owner, ["channel_id": other])["position"].int == 7)
        let unknown = try scene.call(
            "bulk_update_guild_channels", as: scene.owner, ["guild_id": guild],
            body: [["id": other, "position": 1], ["id": "5", "position": 1]])
        #expect(unknown.code == 10003)
        #expect(try scene.done("get_channel", as: scene.owner, ["channel_id": other])["position"].int == 7)
    }
}

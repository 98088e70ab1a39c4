import Domain
import DomainTesting
import Guild
import Identity
import Testing
import Wire

@Suite("A guild's life")
struct GuildLifecycleTests {
    @Test("A new guild has an owner, @everyone with the guild's id, and #general in a category")
    func creation() throws {
        let scene = Scene()
        let guild = try scene.done("create_guild", as: scene.owner, body: ["name": "  Gardeners "])
        #expect(guild["name"].text == "Gardeners")
        #expect(guild["owner_id"].text == scene.owner.id.description)
        #expect(guild["roles"].array.count == 1)
        #expect(guild["roles"][0]["id"].text == guild["id"].text)
        #expect(guild["roles"][0]["name"].text == "@everyone")
        #expect(guild["roles"][0]["permissions"].text == "\(Permissions.defaultEveryone.rawValue)")
        let channels = try scene.done("list_guild_channels", as: scene.owner, ["guild_id": guild["id"].text])
        #expect(channels.array.map { $0["name"].text }.sorted() == ["Text Channels", "general"])
        let general = try #require(channels.array.first { $0["type"].int == 0 })
        #expect(general["parent_id"].text == channels.array.first { $0["type"].int == 4 }?["id"].text)
        #expect(guild["system_channel_id"].text == general["id"].text)
        #expect(GuildID(guild["id"].text)?.slot == scene.slot.slot)
        if let schema = ResponseSchema.shared {
            #expect(schema.faults(of: guild.value ?? 0, component: "GuildResponse") == [])
        }
    }

    @Test("The owner's slot learns that they are a member")
    func creationEffect() throws {
        let scene = Scene()
        let guild = try scene.done("create_guild", as: scene.owner, body: ["name": "Gardeners"])
        let id = try #require(GuildID(guild["id"].text))
        #expect(scene.slot.effects.count == 1)
        #expect(scene.slot.effects.first?.destination == scene.owner.id.slot)
        #expect(
            scene.slot.effects.first?.effect
                == .membershipAdded(user: scene.owner.id, guild: id, joinedAt: scene.slot.now))
    }

    @Test("Roles and channels of the body are made, with references among them in order")
    func creationWithParts() throws {
        let scene = Scene()
        let guild = try scene.done(
            "create_guild", as: scene.owner,
            body: [
                "name": "Parts", "system_channel_id": "11",
                "roles": [["id": "1", "permissions": "1024"], ["id": "2", "name": "Mods", "color": 255]],
                "channels": [
                    ["id": "10", "name": "Staff", "type": 4],
                    [
                        "id": "11", "name": "Staff Room", "type": 0, "parent_id": "10",
                        "permission_overwrites": [
                            ["id": "1", "type": 0, "deny": "1024"], ["id": "2", "type": 0, "allow": "1024"],
                        ],
                    ],
                ],
            ])
        let mods = try #require(guild["roles"].array.first { $0["name"].text == "Mods" })
        #expect(mods["color"].int == 255 && mods["position"].int == 1)
        let room = try scene.done(
            "get_channel", as: scene.owner, ["channel_id": guild["system_channel_id"].text])
        #expect(room["name"].text == "staff-room")
        #expect(!room["parent_id"].isNull)
        #expect(
            Set(room["permission_overwrites"].array.map { $0["id"].text }) == [guild["id"].text, mods["id"].text])
    }

    @Test("Names of one character or more than a hundred are refused, and nothing remains")
    func badNames() throws {
        let scene = Scene()
        for name in ["a", "   a   ", String(repeating: "x", count: 101)] {
            let answer = try scene.call("create_guild", as: scene.owner, body: ["name": name])
            #expect(answer.status == 400 && answer.code == 50035)
            #expect(JSON(answer.json)["errors"]["name"]["_errors"][0]["code"].text == "BASE_TYPE_BAD_LENGTH")
        }
        #expect(try scene.call("create_guild", as: scene.owner, body: [:] as [String: Any]).code == 50035)
        #expect(scene.slot.rowCount(.guild) == 0)
        #expect(scene.slot.effects.isEmpty)
    }

    @Test("Who is no member is not told that a guild exists")
    func outsiders() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        #expect(try scene.call("get_guild", as: scene.alice, ["guild_id": guild]).code == 10004)
        #expect(try scene.call("get_guild", as: scene.alice, ["guild_id": "5"]).code == 10004)
        let channels = try scene.call("list_guild_channels", as: scene.alice, ["guild_id": guild])
        #expect(channels.status == 403 && channels.code == 50001)
        let channel = try scene.call("get_channel", as: scene.alice, ["channel_id": try scene.general(of: guild)])
        #expect(channel.status == 403 && channel.code == 50001)
    }

    @Test("What is no snowflake in the path is 50035")
    func badIDs() throws {
        let scene = Scene()
        #expect(try scene.call("get_guild", as: scene.owner, ["guild_id": "abc"]).code == 50035)
    }

    @Test("Counts come when asked for")
    func counts() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let plain = try scene.done("get_guild", as: scene.alice, ["guild_id": guild])
        #expect(!plain.names.contains("approximate_member_count"))
        let counted = try scene.done(
            "get_guild", as: scene.alice, ["guild_id": guild], query: [("with_counts", "true")])
        #expect(counted["approximate_member_count"].int == 2)
    }

    @Test("The summary shows what its member may do")
    func summary() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let owner = try scene.done("my_guild_summary", as: scene.owner, ["guild_id": guild])
        #expect(owner["owner"].bool && owner["permissions"].text == "\(Permissions.all.rawValue)")
        let alice = try scene.done("my_guild_summary", as: scene.alice, ["guild_id": guild])
        #expect(!alice["owner"].bool)
        #expect(alice["permissions"].text == "\(Permissions.defaultEveryone.rawValue)")
        if let schema = ResponseSchema.shared {
            #expect(schema.faults(of: alice.value ?? 0, component: "MyGuildResponse") == [])
        }
    }

    @Test("Only the owner deletes a guild; its members' slots are told step by step, and no row remains")
    func deletion() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let members = (10..<1210).map { Scene.user(UInt64($0), "m\($0)") }
        let code = try scene.done(
            "create_channel_invite", as: scene.owner, ["channel_id": try scene.general(of: guild)],
            body: ["unique": true])["code"].text
        for member in members { try scene.done("accept_invite", as: member, ["code": code]) }
        scene.slot.events.removeAll()
        scene.slot.effects.removeAll()
        #expect(try scene.call("delete_guild", as: scene.alice, ["guild_id": guild]).code == 50013)
        try scene.done("delete_guild", as: scene.owner, ["guild_id": guild])
        #expect(scene.slot.events.map(\.type) == ["GUILD_DELETE"])
        #expect(scene.slot.events.first?.change == .guildDeleted)
        #expect(try scene.call("get_guild", as: scene.owner, ["guild_id": guild]).code == 10004)
        #expect(try scene.call("invite_resolve", as: nil, ["code": code]).code == 10006)
        #expect(scene.slot.scheduledWork.count == 1)
        #expect(scene.slot.effects.isEmpty)
        try scene.slot.performScheduledWork(of: GuildService.self)
        let told = Set(scene.slot.effects.map(\.effect))
        #expect(told.count == members.count + 2)
        #expect(told.contains(.membershipRemoved(user: scene.alice.id, guild: guild)))
        #expect(
            scene.slot.effects.allSatisfy { effect in
                if case .membershipRemoved(let user, _) = effect.effect { return user.slot == effect.destination }
                return false
            })
        #expect(scene.slot.rowCount(.guild) == 0)
        #expect(scene.slot.rowCount(.index) == 0)
    }

    @Test("A member leaves and is gone at once; the owner cannot")
    func leaving() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let refused = try scene.call("leave_guild", as: scene.owner, ["guild_id": guild])
        #expect(refused.status == 400 && refused.code == 50055)
        try scene.done("leave_guild", as: scene.alice, ["guild_id": guild])
        #expect(scene.slot.events.map(\.type) == ["GUILD_MEMBER_REMOVE"])
        #expect(scene.slot.events.first?.change == .memberRemoved(scene.alice.id))
        #expect(scene.slot.effects.map(\.effect) == [.membershipRemoved(user: scene.alice.id, guild: guild)])
        #expect(try scene.call("leave_guild", as: scene.alice, ["guild_id": guild]).code == 10004)
    }
}

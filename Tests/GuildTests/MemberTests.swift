import Domain
import Foundation
import Guild
import Identity
import Testing
import Wire

@Suite("Members")
struct MemberTests {
    private func parameters(
        _ guild: GuildID, _ user: UserProfile
    ) -> [String: any CustomStringConvertible] {
        ["guild_id": guild, "user_id": user.id]
    }

    @Test("Members are listed by id, page by page")
    func list() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.bob, scene.alice, guild: guild)
        func page(_ query: [(String, String)]) throws -> [String] {
            try scene.done("list_guild_members", as: scene.alice, ["guild_id": guild], query: query)
                .array.map { $0["user"]["username"].text }
        }
        #expect(try page([]) == ["owner"])
        #expect(try page([("limit", "1000")]) == ["owner", "alice", "bob"])
        #expect(try page([("limit", "2"), ("after", scene.owner.id.description)]) == ["alice", "bob"])
        #expect(try page([("limit", "2"), ("after", "\(UInt64.max)")]).isEmpty)
        for limit in ["0", "1001", "x"] {
            let answer = try scene.call(
                "list_guild_members", as: scene.alice, ["guild_id": guild], query: [("limit", limit)])
            #expect(answer.code == 50035)
        }
    }

    @Test("A member object says who, since when and in which roles")
    func get() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let role = try scene.makeRole([], in: guild, for: scene.alice)
        let member = try scene.done("get_guild_member", as: scene.owner, parameters(guild, scene.alice))
        #expect(member["user"]["id"].text == scene.alice.id.description)
        #expect(member["joined_at"].text == scene.slot.now.description)
        #expect(member["roles"].array.map(\.text) == [role])
        #expect(try scene.done("get_my_guild_member", as: scene.alice, ["guild_id": guild])["roles"][0].text == role)
        let unknown = try scene.call("get_guild_member", as: scene.owner, parameters(guild, scene.bob))
        #expect(unknown.status == 404 && unknown.code == 10007)
    }

    @Test("A nickname: one's own by CHANGE_NICKNAME, another's by MANAGE_NICKNAMES and rank")
    func nicknames() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, scene.bob, guild: guild)
        let mine = try scene.done("update_my_guild_member", as: scene.alice, ["guild_id": guild], body: ["nick": "Al"])
        #expect(mine["nick"].text == "Al")
        #expect(scene.eventTypes() == ["GUILD_MEMBER_UPDATE"])
        let change = { (target: UserProfile) in
            try scene.call("update_guild_member", as: scene.alice, parameters(guild, target), body: ["nick": "X"])
        }
        #expect(try change(scene.bob).code == 50013)
        try scene.makeRole(.manageNicknames, in: guild, for: scene.alice)
        #expect(try change(scene.bob).status == 200)
        #expect(try change(scene.owner).code == 50013)
        let cleared = try scene.done(
            "update_my_guild_member", as: scene.alice, ["guild_id": guild], body: ["nick": NSNull()])
        #expect(cleared["nick"].isNull)
        let long = ["nick": String(repeating: "x", count: 33)]
        #expect(
            try scene.call("update_my_guild_member", as: scene.alice, ["guild_id": guild], body: long).code == 50035)
    }

    @Test("Roles are set in one go, as far as the actor's rank reaches")
    func roles() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, scene.bob, guild: guild)
        let low = try scene.makeRole([], in: guild, name: "low")
        try scene.makeRole(.manageRoles, in: guild, for: scene.alice, name: "mine")
        let high = try scene.makeRole([], in: guild, for: scene.bob, name: "high")
        let set = { (roles: [String]) in
            try scene.call("update_guild_member", as: scene.alice, parameters(guild, scene.bob), body: ["roles": roles])
        }
        #expect(try set([low]).code == 50013)
        let kept = try set([high, low, low])
        #expect(kept.status == 200 && JSON(kept.json)["roles"].array.map(\.text) == [high, low])
        guard case .member(let view)? = scene.slot.events.last?.change else {
            Issue.record("the gateways are not told")
            return
        }
        #expect(view.roles.map(\.description) == [high, low])
        #expect(try set([high, "5"]).code == 50035)
    }

    @Test("Giving a role twice and taking one that is not there change nothing, and say nothing")
    func idempotentRoles() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let role = try scene.makeRole([], in: guild, for: scene.alice)
        let parameters = parameters(guild, scene.alice).merging(["role_id": role]) { $1 }
        try scene.done("add_guild_member_role", as: scene.owner, parameters)
        #expect(scene.eventTypes().isEmpty)
        try scene.done("delete_guild_member_role", as: scene.owner, parameters)
        #expect(scene.eventTypes() == ["GUILD_MEMBER_UPDATE"])
        try scene.done("delete_guild_member_role", as: scene.owner, parameters)
        #expect(scene.eventTypes().isEmpty)
    }

    @Test("A timed-out member may only look and read, until the time is over")
    func timeout() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, scene.bob, guild: guild)
        try scene.makeRole([.moderateMembers, .manageChannels], in: guild, for: scene.bob)
        let until = scene.slot.now + .seconds(60)
        let body = ["communication_disabled_until": until.description]
        #expect(
            try scene.call("update_guild_member", as: scene.alice, parameters(guild, scene.bob), body: body).code
                == 50013)
        let member = try scene.done("update_guild_member", as: scene.bob, parameters(guild, scene.alice), body: body)
        #expect(member["communication_disabled_until"].text == until.description)
        let invite = { () in
            try scene.call(
                "create_channel_invite", as: scene.alice, ["channel_id": try scene.general(of: guild)],
                body: [String: Any]())
        }
        #expect(try invite().code == 50013)
        try scene.done("get_channel", as: scene.alice, ["channel_id": try scene.general(of: guild)])
        scene.slot.now = until + .milliseconds(1)
        #expect(try invite().status == 200)
    }

    @Test("Nobody times out the owner, an administrator, or anyone for more than 28 days")
    func timeoutLimits() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, scene.bob, guild: guild)
        try scene.makeRole(.administrator, in: guild, for: scene.bob)
        try scene.makeRole(.moderateMembers, in: guild, for: scene.alice)
        let timeOut = { (target: UserProfile, seconds: Int) in
            try scene.call(
                "update_guild_member", as: scene.alice, parameters(guild, target),
                body: ["communication_disabled_until": (scene.slot.now + .seconds(seconds)).description])
        }
        #expect(try timeOut(scene.owner, 60).code == 50013)
        #expect(try timeOut(scene.bob, 60).code == 50013)
        try scene.join(Scene.user(9, "carol"), guild: guild)
        #expect(try timeOut(Scene.user(9, "carol"), 28 * 86_400 + 1).code == 50035)
        #expect(try timeOut(Scene.user(9, "carol"), 28 * 86_400).status == 200)
    }

    @Test("A kick takes KICK_MEMBERS and rank; the kicked one's slot is told")
    func kick() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, scene.bob, guild: guild)
        let kick = { (actor: UserProfile, target: UserProfile) in
            try scene.call("delete_guild_member", as: actor, parameters(guild, target))
        }
        #expect(try kick(scene.alice, scene.bob).code == 50013)
        let role = try scene.makeRole(.kickMembers, in: guild, for: scene.alice, scene.bob)
        #expect(try kick(scene.alice, scene.bob).code == 50013)
        #expect(try kick(scene.alice, scene.owner).code == 50013)
        try scene.done(
            "delete_guild_member_role", as: scene.owner,
            parameters(guild, scene.bob).merging(["role_id": role]) { $1 })
        scene.slot.events.removeAll()
        #expect(try kick(scene.alice, scene.bob).status == 204)
        #expect(scene.slot.events.map(\.change) == [.memberRemoved(scene.bob.id)])
        #expect(scene.slot.effects.last?.effect == .membershipRemoved(user: scene.bob.id, guild: guild))
        #expect(try kick(scene.alice, scene.bob).code == 10007)
    }

    @Test("A newer profile replaces the member's copy, an older one does not")
    func profileChanges() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        var profile = scene.alice
        profile.globalName = "Alice"
        profile.version = 3
        func apply() throws -> Bool {
            try scene.slot.command {
                try GuildService.apply(.profileChanged(guild: guild, profile: profile), in: $0)
            }
        }
        #expect(try apply())
        #expect(scene.eventTypes() == ["GUILD_MEMBER_UPDATE"])
        profile.globalName = "Older"
        profile.version = 2
        #expect(try apply())
        #expect(scene.eventTypes().isEmpty)
        let member = try scene.done("get_guild_member", as: scene.owner, parameters(guild, scene.alice))
        #expect(member["user"]["global_name"].text == "Alice")
        profile.id = scene.bob.id
        profile.version = 9
        #expect(try apply(), "the effect on one who is no member is dropped")
        #expect(scene.eventTypes().isEmpty)
    }
}

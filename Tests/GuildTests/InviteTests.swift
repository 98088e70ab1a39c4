import Domain
import Foundation
import Identity
import Testing
import Wire

@testable import Guild

@Suite("Invites")
struct InviteTests {
    private func invite(
        _ scene: Scene, _ guild: GuildID, _ body: [String: Any] = [:]
    ) throws -> JSON {
        try scene.done(
            "create_channel_invite", as: scene.owner, ["channel_id": try scene.general(of: guild)], body: body)
    }

    @Test("An invite carries its guild's slot, and says how long and how often it serves")
    func creation() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let invite = try invite(scene, guild, ["max_age": 60, "max_uses": 2])
        let code = try #require(InviteCode(invite["code"].text))
        #expect(code.slot == guild.slot)
        #expect(invite["max_uses"].int == 2 && invite["uses"].int == 0)
        #expect(invite["expires_at"].text == (scene.slot.now + .seconds(60)).description)
        #expect(invite["inviter"]["id"].text == scene.owner.id.description)
        let event = try #require(scene.slot.events.last)
        #expect(event.type == "INVITE_CREATE" && event.intents == Intents.guildInvites)
        #expect(event.neededPermissions == Permissions.manageChannels.rawValue)
        #expect(try scene.payload(of: event)["code"].text == invite["code"].text)
    }

    @Test("An equal invite is given out again, unless a unique one is asked for")
    func reuse() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let first = try invite(scene, guild)["code"].text
        #expect(try invite(scene, guild)["code"].text == first)
        #expect(try invite(scene, guild, ["unique": true])["code"].text != first)
        #expect(try invite(scene, guild, ["max_uses": 1])["code"].text != first)
        scene.slot.now = scene.slot.now + .seconds(86_401)
        #expect(try invite(scene, guild)["code"].text != first)
    }

    @Test("Bounds of age and uses, channels that take no invites, and rights")
    func refusals() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let general = try scene.general(of: guild)
        let create = { (user: UserProfile, channel: String, body: [String: Any]) in
            try scene.call("create_channel_invite", as: user, ["channel_id": channel], body: body).code
        }
        #expect(try create(scene.owner, general, ["max_age": -1]) == 50035)
        #expect(try create(scene.owner, general, ["max_age": 5_184_001]) == 50035)
        #expect(try create(scene.owner, general, ["max_uses": 101]) == 50035)
        #expect(try create(scene.owner, "5", [:]) == 10003)
        let parent = try scene.done("get_channel", as: scene.owner, ["channel_id": general])["parent_id"].text
        #expect(try create(scene.owner, parent, [:]) == 50024)
        try scene.done(
            "update_guild_role", as: scene.owner, ["guild_id": guild, "role_id": guild],
            body: ["permissions": "\(Permissions.viewChannel.rawValue)"])
        #expect(try create(scene.alice, general, [:]) == 50013)
        #expect(try create(scene.bob, general, [:]) == 50001)
    }

    @Test("Everybody may look at an invite; of the guild they see the cover")
    func resolving() throws {
        let scene = Scene()
        let guild = try scene.makeGuild("Open House")
        let code = try invite(scene, guild)["code"].text
        let seen = try scene.done("invite_resolve", as: nil, ["code": code], query: [("with_counts", "true")])
        #expect(seen["guild"]["name"].text == "Open House")
        #expect(seen["approximate_member_count"].int == 1)
        #expect(!seen.names.contains("uses"))
        for unknown in ["0000000000", "abc", "", code + "x"] {
            let answer = try scene.call("invite_resolve", as: nil, ["code": unknown])
            #expect(answer.status == 404 && answer.code == 10006)
        }
    }

    @Test("Who accepts becomes a member: the guild, the gateways and the user's slot know it")
    func accepting() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let code = try invite(scene, guild)["code"].text
        scene.slot.events.removeAll()
        let answer = try scene.done("accept_invite", as: scene.alice, ["code": code])
        #expect(answer["new_member"].bool && answer["guild"]["id"].text == guild.description)
        let event = try #require(scene.slot.events.first)
        #expect(event.type == "GUILD_MEMBER_ADD" && event.intents == Intents.guildMembers)
        #expect(try scene.payload(of: event)["user"]["username"].text == "alice")
        guard case .member(let view)? = event.change else {
            Issue.record("the gateways are not told")
            return
        }
        #expect(view.userID == scene.alice.id)
        #expect(scene.slot.effects.map(\.destination) == [scene.alice.id.slot])
        try scene.done("get_guild", as: scene.alice, ["guild_id": guild])
    }

    @Test("Accepting twice changes nothing and uses nothing up")
    func acceptingTwice() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let code = try invite(scene, guild, ["max_uses": 2])["code"].text
        try scene.done("accept_invite", as: scene.alice, ["code": code])
        let before = (scene.slot.events.count, scene.slot.effects.count)
        let again = try scene.done("accept_invite", as: scene.alice, ["code": code])
        #expect(!again["new_member"].bool)
        #expect((scene.slot.events.count, scene.slot.effects.count) == before)
        try scene.done("accept_invite", as: scene.bob, ["code": code])
        #expect(try scene.call("accept_invite", as: Scene.user(9, "late"), ["code": code]).code == 10006)
        #expect(scene.slot.events.last?.type == "INVITE_DELETE")
    }

    @Test("An invite is over when its time is, also in the lists")
    func expiry() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let code = try invite(scene, guild, ["max_age": 60])["code"].text
        let listed = { () in
            try scene.done("list_guild_invites", as: scene.owner, ["guild_id": guild]).array.count
        }
        scene.slot.now = scene.slot.now + .milliseconds(59_999)
        #expect(try listed() == 1)
        try scene.done("invite_resolve", as: nil, ["code": code])
        scene.slot.now = scene.slot.now + .milliseconds(1)
        #expect(try scene.call("accept_invite", as: scene.alice, ["code": code]).code == 10006)
        #expect(try listed() == 0)
    }

    @Test("Bots do not accept invites")
    func bots() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let code = try invite(scene, guild)["code"].text
        let bot = Scene.user(9, "bot", isBot: true)
        #expect(try scene.call("accept_invite", as: bot, ["code": code]).code == 20001)
    }

    @Test("Lists and revocation are for those who manage")
    func management() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let general = try scene.general(of: guild)
        let code = try invite(scene, guild, ["unique": true])["code"].text
        let answers = [
            try scene.call("list_guild_invites", as: scene.alice, ["guild_id": guild]),
            try scene.call("list_channel_invites", as: scene.alice, ["channel_id": general]),
            try scene.call("invite_revoke", as: scene.alice, ["code": code]),
        ]
        for answer in answers { #expect(answer.code == 50013) }
        #expect(try scene.call("invite_revoke", as: scene.bob, ["code": code]).code == 50001)
        let listed = try scene.done("list_channel_invites", as: scene.owner, ["channel_id": general])
        #expect(listed.array.contains { $0["code"].text == code && $0["max_age"].int == 86_400 })
        scene.slot.events.removeAll()
        try scene.done("invite_revoke", as: scene.owner, ["code": code])
        #expect(scene.eventTypes() == ["INVITE_DELETE"])
        #expect(try scene.call("invite_resolve", as: nil, ["code": code]).code == 10006)
    }

    @Test("The 1,001st invite is refused")
    func limit() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let general = try scene.general(of: guild)
        let channel = try #require(ChannelID(general))
        try scene.slot.command { transaction in
            for number in 0..<UInt64(999) {
                GuildRows(transaction).put(
                    Invite(
                        code: InviteCode(slot: transaction.slot, random: number), guildID: guild, channelID: channel,
                        inviter: scene.owner, createdAt: transaction.now, maxAge: 0, maxUses: 0, isTemporary: false))
            }
        }
        let create = { () in
            try scene.call(
                "create_channel_invite", as: scene.owner, ["channel_id": general], body: ["unique": true])
        }
        #expect(try create().status == 200)
        #expect(try create().code == 30016)
    }
}

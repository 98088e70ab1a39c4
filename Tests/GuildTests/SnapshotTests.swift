import Domain
import Foundation
import Guild
import Identity
import NIOCore
import Testing
import Wire

@Suite("Snapshots for gateways")
struct SnapshotTests {
    private func snapshot(_ scene: Scene, _ guild: GuildID, for user: UserProfile) throws -> GuildSnapshot? {
        try scene.slot.command { transaction in
            try GuildService.snapshot(of: .guild(guild), for: user.id, in: transaction)
        }.map { try GuildSnapshot(decoding: $0) }
    }

    @Test("A small guild's snapshot has what GUILD_CREATE needs, with all members")
    func smallGuild() throws {
        let scene = Scene()
        let guild = try scene.makeGuild("Snap")
        try scene.join(scene.alice, guild: guild)
        let role = try scene.makeRole([], in: guild, for: scene.alice)
        let snapshot = try #require(try snapshot(scene, guild, for: scene.alice))
        #expect(snapshot.owner == scene.owner.id && snapshot.memberCount == 2)
        #expect(snapshot.roles.map(\.id.description) == [guild.description, role])
        #expect(snapshot.channels.count == 2)
        #expect(snapshot.members.map(\.userID) == [scene.owner.id, scene.alice.id])
        #expect(snapshot.members[1].roles.map(\.description) == [role])
        #expect(snapshot.members[1].joinedAt == scene.slot.now)
        for view in snapshot.channels.map(\.json) + snapshot.members.map(\.json) { _ = try view.json() }
    }

    @Test("The head holds the fields that bot libraries insist on")
    func head() throws {
        let scene = Scene()
        let guild = try scene.makeGuild("Snap")
        let head = try #require(try snapshot(scene, guild, for: scene.owner)).head
        let object = JSON(try ByteBuffer(string: "{\(String(buffer: head))}").json())
        let needed: Set = [
            "id", "name", "icon", "splash", "discovery_splash", "owner_id", "afk_channel_id", "afk_timeout",
            "verification_level", "default_message_notifications", "explicit_content_filter", "mfa_level",
            "system_channel_id", "system_channel_flags", "rules_channel_id", "public_updates_channel_id", "features",
            "emojis", "stickers", "premium_tier", "premium_subscription_count", "preferred_locale", "nsfw_level",
            "vanity_url_code", "description", "banner", "roles", "stage_instances", "guild_scheduled_events",
            "application_id", "widget_enabled", "max_members", "max_video_channel_users",
            "premium_progress_bar_enabled",
        ]
        #expect(needed.subtracting(object.names) == [])
        let own: Set = [
            "channels", "threads", "members", "presences", "voice_states", "joined_at", "large", "member_count",
            "unavailable",
        ]
        #expect(own.intersection(object.names) == [])
        #expect(object["roles"][0]["colors"].names == ["primary_color", "secondary_color", "tertiary_color"])
    }

    @Test("Of a guild above 250 members it holds the one who asked")
    func largeGuild() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let code = try scene.done(
            "create_channel_invite", as: scene.owner, ["channel_id": try scene.general(of: guild)],
            body: [String: Any]())["code"].text
        for number in UInt64(10)..<259 {
            try scene.done("accept_invite", as: Scene.user(number, "m\(number)"), ["code": code])
        }
        #expect(try snapshot(scene, guild, for: scene.owner)?.members.count == 250)
        try scene.done("accept_invite", as: scene.alice, ["code": code])
        let large = try #require(try snapshot(scene, guild, for: scene.alice))
        #expect(large.members.map(\.userID) == [scene.alice.id])
        #expect(large.memberCount == 251)
    }

    @Test("Who is no member gets none, nor does anyone of a guild that is not there")
    func outsiders() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        #expect(try snapshot(scene, guild, for: scene.alice) == nil)
        #expect(try snapshot(scene, GuildID(rawValue: 5), for: scene.owner) == nil)
    }
}

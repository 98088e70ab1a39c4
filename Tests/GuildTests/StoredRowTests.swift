import Domain
import Foundation
import Guild
import Identity
import NIOCore
import Testing
import Wire

@Suite("Guilds in their rows")
struct StoredRowTests {
    @Test("After its caches are dropped a slot answers as before")
    func reload() throws {
        let scene = Scene()
        let guild = try scene.makeGuild("Kept")
        try scene.join(scene.alice, guild: guild)
        let role = try scene.makeRole([.manageRoles], in: guild, for: scene.alice, name: "Keeper")
        let general = try scene.general(of: guild)
        try scene.done(
            "update_guild", as: scene.owner, ["guild_id": guild],
            body: ["description": "d", "verification_level": 3, "system_channel_flags": 4, "afk_timeout": 60])
        try scene.done(
            "update_channel", as: scene.owner, ["channel_id": general],
            body: [
                "topic": "t", "nsfw": true, "rate_limit_per_user": 9, "default_auto_archive_duration": 60,
                "permission_overwrites": [["id": role, "type": 0, "allow": "2048", "deny": "1"]],
            ])
        try scene.done(
            "update_guild_role", as: scene.owner, ["guild_id": guild, "role_id": role],
            body: ["hoist": true, "mentionable": true, "colors": ["primary_color": 1, "tertiary_color": 3]])
        try scene.done(
            "update_guild_member", as: scene.owner, ["guild_id": guild, "user_id": scene.alice.id],
            body: [
                "nick": "Al", "flags": 4,
                "communication_disabled_until": (scene.slot.now + .seconds(9)).description,
            ])
        func everything() throws -> [NSObject] {
            let reads: [(String, [String: any CustomStringConvertible], [(String, String)])] = [
                ("get_guild", ["guild_id": guild], [("with_counts", "true")]),
                ("list_guild_channels", ["guild_id": guild], []), ("list_guild_roles", ["guild_id": guild], []),
                ("list_guild_members", ["guild_id": guild], [("limit", "10")]),
                ("list_guild_invites", ["guild_id": guild], []), ("get_channel", ["channel_id": general], []),
            ]
            return try reads.compactMap { operation, parameters, query in
                try scene.done(operation, as: scene.owner, parameters, query: query).value as? NSObject
            }
        }
        let before = try everything()
        #expect(before.count == 6)
        scene.slot.caches.removeAll()
        #expect(try everything() == before)
    }

    @Test("A value in a newer encoding than this build's is a fault of the store, not a guess")
    func newerFormat() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        var writer = FieldWriter()
        writer.write(1, UInt64(99))
        var key: [UInt8] = withUnsafeBytes(of: guild.rawValue.bigEndian) { Array($0) }
        key.append(0)
        try scene.slot.command { $0.put(.guild, key, writer.buffer) }
        scene.slot.caches.removeAll()
        #expect(throws: FieldError.self) { try scene.call("get_guild", as: scene.owner, ["guild_id": guild]) }
    }

    @Test("A command that fails after it wrote leaves neither rows nor cached values")
    func rollback() throws {
        let scene = Scene()
        let guild = try scene.makeGuild()
        let general = try scene.general(of: guild)
        let answer = try scene.call(
            "bulk_update_guild_channels", as: scene.owner, ["guild_id": guild],
            body: [["id": general, "position": 9], ["id": "5", "position": 1]])
        #expect(answer.code == 10003)
        #expect(try scene.done("get_channel", as: scene.owner, ["channel_id": general])["position"].int == 0)
        #expect(scene.slot.events.isEmpty)
    }
}

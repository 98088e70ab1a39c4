import Domain
import DomainTesting
import Guild
import Identity
import NIOCore
import Testing
import Wire

/// Stored rows with broken bytes: a command gives an answer or an error of the store, and the process lives.
@Suite("Broken rows") struct BrokenRowTests {
    static let mutationsPerRow = 15

    @Test("whatever a row holds, reads and writes end with an answer or an error", arguments: [1, 2, 3] as [UInt64])
    func broken(seed: UInt64) throws {
        let scene = Scene()
        let guild = try scene.makeGuild("Fragile")
        try scene.join(scene.alice, guild: guild)
        let channel = try scene.general(of: guild)
        let role = try scene.makeRole([.manageRoles], in: guild, for: scene.alice)
        let message = try scene.done(
            "create_message", as: scene.alice, ["channel_id": channel],
            body: ["content": "hi <@\(scene.owner.id)>", "embeds": [["title": "t"]], "nonce": 7, "enforce_nonce": true])
        try scene.done(
            "create_message", as: scene.owner, ["channel_id": channel],
            body: ["content": "re", "message_reference": ["message_id": message["id"].text]])
        let calls: [(String, [String: String], String)] = [
            ("get_guild", ["guild_id": "\(guild)"], ""), ("list_guild_channels", ["guild_id": "\(guild)"], ""),
            ("list_guild_members", ["guild_id": "\(guild)"], ""), ("list_guild_invites", ["guild_id": "\(guild)"], ""),
            ("list_messages", ["channel_id": channel], ""), ("get_channel", ["channel_id": channel], ""),
            ("create_message", ["channel_id": channel], #"{"content":"x","nonce":7,"enforce_nonce":true}"#),
            ("update_guild_role", ["guild_id": "\(guild)", "role_id": role], #"{"name":"n"}"#),
            ("create_guild_channel", ["guild_id": "\(guild)"], #"{"name":"n"}"#),
            ("delete_guild_member", ["guild_id": "\(guild)", "user_id": "\(scene.alice.id)"], ""),
        ]
        var mutations = Mutations(seed: seed)
        var errors = 0
        for family in [Family.guild, .message, .index] {
            var rows: [(key: [UInt8], value: ByteBuffer)] = []
            try scene.slot.scan(family, from: [], upTo: [UInt8](repeating: 255, count: 64), reverse: false) {
                rows.append(($0, $1))
                return true
            }
            for row in rows {
                for _ in 0..<Self.mutationsPerRow {
                    let broken = mutations.next(of: row.value)
                    for (operation, parameters, body) in calls {
                        scene.slot.caches.removeAll()
                        // Each call begins at the same rows, with one of them broken.
                        let request = RestRequest(
                            operation: operation, parameters: parameters,
                            actor: Wire.Actor(profile: scene.owner, tokenID: 1), body: ByteBuffer(string: body))
                        do {
                            try scene.slot.trial {
                                scene.slot.put(family, row.key, broken)
                                let reply = try scene.slot.call(request, of: GuildService.self)
                                #expect((200..<600).contains(reply.status), "seed \(seed), \(operation), \(broken)")
                                _ = try GuildService.snapshot(of: .guild(guild), for: scene.owner.id, in: scene.slot)
                            }
                        } catch { errors += 1 }
                    }
                }
            }
        }
        // Many mutations break the encoding; a seed that breaks none tests nothing.
        #expect(errors > 50, "seed \(seed)")
    }
}

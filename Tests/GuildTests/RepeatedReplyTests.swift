import Domain
import Foundation
import Guild
import Identity
import Testing

/// Answers given again to a retry: ``Scene/call(_:as:_:query:body:subject:isOperator:)`` compares every one of them.
@Suite struct RepeatedReplyTests {
    let scene = Scene()

    @Test func anAuthorWithoutReadMessageHistoryGetsTheirMessageAgain() throws {
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let channel = try scene.general(of: guild)
        try scene.done(
            "set_channel_permission_overwrite", as: scene.owner,
            ["channel_id": channel, "overwrite_id": guild],
            body: ["type": 0, "deny": "\(Permissions.readMessageHistory.rawValue)", "allow": "0"])
        let message = try scene.done(
            "create_message", as: scene.alice, ["channel_id": channel],
            body: ["content": "hello", "nonce": "n1", "enforce_nonce": true])
        #expect(message["nonce"].text == "n1")
        #expect(scene.repeated.last == "create_message")
        try scene.done(
            "update_message", as: scene.alice, ["channel_id": channel, "message_id": message["id"].text],
            body: ["content": "hello again"])
        #expect(scene.repeated.last == "update_message")
    }

    @Test func whoHidesAChannelFromThemselvesGetsTheAnswerAgain() throws {
        let guild = try scene.makeGuild()
        try scene.join(scene.alice, guild: guild)
        let rights: Permissions = [.manageChannels, .viewChannel, .manageRoles]
        try scene.makeRole(rights, in: guild, for: scene.alice)
        let hiding: [[String: Any]] = [
            ["id": "\(scene.alice.id)", "type": 1, "deny": "\(Permissions.viewChannel.rawValue)", "allow": "0"]
        ]
        try scene.done(
            "create_guild_channel", as: scene.alice, ["guild_id": guild],
            body: ["name": "secret", "permission_overwrites": hiding])
        #expect(scene.repeated.last == "create_guild_channel")
        let channel = try scene.general(of: guild)
        try scene.done(
            "update_channel", as: scene.alice, ["channel_id": channel], body: ["permission_overwrites": hiding])
        #expect(scene.repeated.last == "update_channel")
    }
}

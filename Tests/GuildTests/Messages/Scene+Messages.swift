import Domain
import Foundation
import Guild
import Identity
import Testing
import Wire

/// A guild with a channel in which owner, alice and bob talk.
struct Conversation {
    let scene = Scene()
    let guild: GuildID
    let channel: String

    init() throws {
        guild = try scene.makeGuild()
        try scene.join(scene.alice, scene.bob, guild: guild)
        channel = try scene.general(of: guild)
    }

    func call(
        _ operation: String, as user: UserProfile, message: String? = nil, query: [(String, String)] = [],
        body: Any? = nil
    ) throws -> Answer {
        var parameters: [String: any CustomStringConvertible] = ["channel_id": channel]
        if let message { parameters["message_id"] = message }
        return try scene.call(operation, as: user, parameters, query: query, body: body)
    }

    @discardableResult
    func post(
        _ content: String, as user: UserProfile? = nil, _ more: [String: Any] = [:],
        _ location: SourceLocation = #_sourceLocation
    ) throws -> JSON {
        let answer = try call(
            "create_message", as: user ?? scene.alice, body: more.merging(["content": content]) { old, _ in old })
        #expect(answer.status == 200, "\(answer)", sourceLocation: location)
        return JSON(answer.json)
    }

    func list(_ query: (String, String)..., as user: UserProfile? = nil) throws -> [JSON] {
        JSON(try call("list_messages", as: user ?? scene.alice, query: query).json).array
    }

    func contents(_ query: (String, String)...) throws -> [String] {
        JSON(try call("list_messages", as: scene.alice, query: query).json).array.map { $0["content"].text }
    }

    /// Denies permissions to everyone in the channel.
    func deny(_ permissions: Permissions) throws {
        try scene.done(
            "set_channel_permission_overwrite", as: scene.owner,
            ["channel_id": channel, "overwrite_id": guild.description],
            body: ["type": 0, "deny": "\(permissions.rawValue)", "allow": "0"])
        scene.slot.events.removeAll()
    }

    func event(_ type: String, _ location: SourceLocation = #_sourceLocation) throws -> Event {
        try #require(scene.slot.events.last { $0.type == type }, sourceLocation: location)
    }

    /// Discord's code of the first fault of a field.
    static func fault(_ answer: Answer, _ path: String...) -> String {
        path.reduce(JSON(answer.json)["errors"]) { $0[$1] }["_errors"][0]["code"].text
    }
}

extension JSON {
    /// The value as text that is the same for equal values.
    var canonical: String {
        guard let value,
            let data = try? JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .fragmentsAllowed])
        else { return "nothing" }
        return String(decoding: data, as: UTF8.self)
    }
}

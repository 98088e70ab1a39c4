import Domain
import DomainTesting
import Foundation
import Guild
import Identity
import NIOCore
import Testing
import Wire

/// A slot with users who act on its guilds, as the tests of this folder see it.
final class Scene {
    let slot: TestSlot
    let owner = Scene.user(1, "owner")
    let alice = Scene.user(2, "alice")
    let bob = Scene.user(3, "bob")
    /// The operations whose answers were given again and compared.
    private(set) var repeated: [String] = []

    init(slot: UInt64 = 5) { self.slot = TestSlot(slot: Slot(truncating: slot)) }

    static func user(_ number: UInt64, _ name: String, isBot: Bool = false) -> UserProfile {
        // Users live in other slots than the guilds of the tests.
        UserProfile(
            id: UserID(Snowflake(milliseconds: number, slot: Slot(truncating: 100 + number), sequence: 0)),
            username: name, isBot: isBot)
    }

    // MARK: Calls

    /// Calls an operation; the answer's status and JSON.
    @discardableResult
    func call(
        _ operation: String, as user: UserProfile?, _ parameters: [String: any CustomStringConvertible] = [:],
        query: [(String, String)] = [], body: Any? = nil, subject: UserProfile? = nil, isOperator: Bool = false
    ) throws -> Answer {
        let bytes = try body.map { try JSONSerialization.data(withJSONObject: $0) } ?? Data()
        let request = RestRequest(
            operation: operation, parameters: parameters.mapValues(\.description),
            query: query.map { (name: $0.0, value: $0.1) },
            actor: user.map { Actor(profile: $0, tokenID: 1) }, body: ByteBuffer(bytes: bytes), reason: "a reason",
            subject: subject, isOperator: isOperator)
        let reply = try slot.call(request, of: GuildService.self)
        if let reference = slot.lastReference {
            // Whoever was given the answer gets it again, whatever rights they have by now.
            let repeated = try slot.call(
                RestRequest(operation: reference.operation, parameters: reference.parameters, actor: request.actor),
                of: GuildService.self)
            self.repeated.append(operation)
            #expect(reference.status == reply.status)
            #expect(repeated.status < 300 && repeated.body == reply.body, "\(operation) again: \(repeated.body)")
        }
        let json = reply.body.readableBytes == 0 ? nil : try reply.body.json()
        if let schema = ResponseSchema.shared, reply.status < 300, let json {
            let faults = schema.faults(of: json, operation: operation, status: reply.status)
            #expect(faults.isEmpty, "\(operation): \(faults)")
        }
        return Answer(status: reply.status, json: json)
    }

    /// Calls an operation that must succeed; its JSON.
    @discardableResult
    func done(
        _ operation: String, as user: UserProfile?, _ parameters: [String: any CustomStringConvertible] = [:],
        query: [(String, String)] = [], body: Any? = nil, subject: UserProfile? = nil, isOperator: Bool = false,
        _ location: SourceLocation = #_sourceLocation
    ) throws -> JSON {
        let answer = try call(
            operation, as: user, parameters, query: query, body: body, subject: subject, isOperator: isOperator)
        #expect((200..<300).contains(answer.status), "\(operation): \(answer)", sourceLocation: location)
        return JSON(answer.json)
    }

    // MARK: What is often needed

    func makeGuild(_ name: String = "The Guild") throws -> GuildID {
        let guild = try done("create_guild", as: owner, body: ["name": name])
        slot.events.removeAll()
        slot.effects.removeAll()
        return try #require(GuildID(guild["id"].text))
    }

    func join(_ users: UserProfile..., guild: GuildID) throws {
        let invite = try done(
            "create_channel_invite", as: owner, ["channel_id": try general(of: guild)], body: [String: Any]())
        for user in users { try done("accept_invite", as: user, ["code": invite["code"].text]) }
        slot.events.removeAll()
        slot.effects.removeAll()
    }

    func general(of guild: GuildID) throws -> String {
        let channels = try done("list_guild_channels", as: owner, ["guild_id": guild])
        return try #require(channels.array.first { $0["type"].int == 0 })["id"].text
    }

    /// A role that `users` get, with permissions and at a position above those made before.
    @discardableResult
    func makeRole(
        _ permissions: Permissions, in guild: GuildID, for users: UserProfile..., name: String = "role"
    ) throws -> String {
        let role = try done(
            "create_guild_role", as: owner, ["guild_id": guild],
            body: ["name": name, "permissions": "\(permissions.rawValue)"])["id"].text
        let roles = try done("list_guild_roles", as: owner, ["guild_id": guild])
        try done(
            "bulk_update_guild_roles", as: owner, ["guild_id": guild],
            body: [["id": role, "position": roles.array.count - 1]])
        for user in users {
            try done("add_guild_member_role", as: owner, ["guild_id": guild, "user_id": user.id, "role_id": role])
        }
        slot.events.removeAll()
        return role
    }

    /// The types of the events since the last look, which it forgets.
    func eventTypes() -> [String] {
        defer { slot.events.removeAll() }
        return slot.events.map(\.type)
    }

    func payload(of event: Event) throws -> JSON { JSON(try event.payload.json()) }
}

/// An answer's status and JSON.
struct Answer: CustomStringConvertible {
    var status: Int
    var json: Any?

    /// Discord's error code.
    var code: Int { JSON(json)["code"].int }
    var description: String { "\(status) \(json.map { "\($0)" } ?? "")" }
}

/// JSON with the short access that tests want: what is missing is empty.
struct JSON {
    let value: Any?

    init(_ value: Any?) { self.value = value }

    subscript(_ name: String) -> JSON { JSON((value as? [String: Any])?[name]) }
    subscript(_ index: Int) -> JSON { JSON(array.indices.contains(index) ? array[index].value : nil) }
    var text: String { value as? String ?? "" }
    var int: Int { value as? Int ?? -1 }
    var bool: Bool { value as? Bool ?? false }
    var isNull: Bool { value is NSNull }
    var array: [JSON] { (value as? [Any] ?? []).map { JSON($0) } }
    var names: Set<String> { Set((value as? [String: Any] ?? [:]).keys) }
}

extension ByteBuffer {
    func json() throws -> Any {
        try JSONSerialization.jsonObject(with: Data(readableBytesView), options: .fragmentsAllowed)
    }
}

import Domain
import DomainTesting
import Foundation
import Identity
import NIOCore
import Wire

@testable import User

/// Slots in memory with an outbox between them that delivers when the test says so.
final class TestCluster {
    private var slots: [Slot: TestSlot] = [:]
    /// Effects on guilds, which this target does not apply.
    private(set) var guildEffects: [Effect] = []

    func slot(_ slot: Slot) -> TestSlot {
        if let known = slots[slot] { return known }
        let new = TestSlot(slot: slot, seed: UInt64(slot.rawValue) + 1)
        slots[slot] = new
        return new
    }

    /// Delivers effects, in order for each pair of slots, and does scheduled work, until nothing is left.
    func settle() throws {
        while try deliverOne() || workOne() {}
    }

    private func deliverOne() throws -> Bool {
        for source in slots.values.sorted(by: { $0.slot < $1.slot }) where !source.effects.isEmpty {
            let (effect, destination) = source.effects.removeFirst()
            let isApplied = try slot(destination).command { try UserService.apply(effect, in: $0) }
            if !isApplied { guildEffects.append(effect) }
            return true
        }
        return false
    }

    private func workOne() throws -> Bool {
        for source in slots.values where !source.scheduledWork.isEmpty {
            let work = source.scheduledWork.removeFirst()
            _ = try source.command { try UserService.perform(work, in: $0) }
            return true
        }
        return false
    }

    /// A request begun at a slot that perhaps waits for the directory.
    final class Call {
        private let slot: TestSlot
        private var step: Result<Outcome, APIError>
        /// What the slot would keep for a retry of a request that waits.
        private(set) var resuming: [String: String]?

        init(_ request: RestRequest, at slot: TestSlot) throws {
            self.slot = slot
            step = .success(.reply(RestReply(status: 0)))
            guard let handler = UserService.operations[request.operation] else {
                throw TestSlotError.unknownOperation(request.operation)
            }
            try advance { try handler(request, $0) }
        }

        private func advance(_ body: (any SlotTransaction) throws -> Outcome) throws {
            do {
                step = .success(try slot.command(body))
                if case .success(.wait(_, let resuming)) = step { self.resuming = resuming }
                if case .success(.offload(let compute, let then)) = step {
                    let result = try compute()
                    try advance { try then(result, $0) }
                }
            } catch let error as APIError {
                step = .failure(error)
            }
        }

        /// The reply; `nil` while it waits.
        func reply() throws -> RestReply? {
            if case .success(.wait(let retry, _)) = step { try advance { try retry($0) } }
            switch step {
            case .failure(let error): return error.reply
            case .success(.reply(let reply)), .success(.replyOnce(let reply, again: _)): return reply
            case .success(.read(let read)): return try read(slot)
            case .success(.wait), .success(.offload): return nil
            }
        }
    }

    func begin(_ request: RestRequest, at slot: Slot) throws -> Call { try Call(request, at: self.slot(slot)) }

    /// Runs a request to its reply.
    func call(_ request: RestRequest, at slot: Slot) throws -> Reply {
        let call = try begin(request, at: slot)
        if let reply = try call.reply() { return Reply(reply) }
        try settle()
        guard let reply = try call.reply() else { throw TestSlotError.isWaiting }
        return Reply(reply)
    }

    func call(
        _ operation: String, _ body: String = "{}", as user: RegisteredUser, parameters: [String: String] = [:]
    ) throws -> Reply {
        guard let actor = try authenticate(user.token) else { return Reply(APIError.unauthorized.reply) }
        return try call(
            RestRequest(operation: operation, parameters: parameters, actor: actor, body: ByteBuffer(string: body)),
            at: user.id.slot)
    }

    func authenticate(_ text: String) throws -> Actor? {
        try authentication(text).actor
    }

    func authentication(_ text: String) throws -> AuthenticateReply {
        let home = slot(Slot(truncating: 0))
        guard let token = Token(text, secret: home.tokenSecret) else { return AuthenticateReply(actor: nil) }
        return try slot(token.userID.slot).command {
            try UserService.authenticate(
                AuthenticateRequest(userID: token.userID, tokenID: token.tokenID), in: $0)
        }
    }

    // MARK: Frequent requests

    struct RegisteredUser {
        var id: UserID
        var token: String
    }

    static func registration(_ username: String, email: String? = nil, password: String = "correct horse")
        -> RestRequest
    {
        let email = email ?? "\(username)@example.org"
        return RestRequest(
            operation: "register",
            body: ByteBuffer(
                string: #"{"username":"\#(username)","email":"\#(email)","password":"\#(password)"}"#))
    }

    /// An account by an operator, without a password.
    static func creation(_ username: String, email: String? = nil) -> RestRequest {
        let email = email.map { #","email":"\#($0)""# } ?? ""
        return RestRequest(
            operation: "admin_create_user", body: ByteBuffer(string: #"{"username":"\#(username)"\#(email)}"#),
            isOperator: true)
    }

    /// Makes an account without a password, which costs no hashing.
    func user(_ username: String, email: String? = nil, at slot: UInt64 = 5) throws -> RegisteredUser {
        let reply = try call(Self.creation(username, email: email), at: Slot(truncating: slot))
        return try RegisteredUser(id: reply.id("id"), token: reply.text("token"))
    }

    func bot(_ name: String, owner: UserProfile? = nil, at slot: UInt64 = 6) throws -> RegisteredUser {
        let owner = owner.map { #","owner_id":"\#($0.id)""# } ?? ""
        let reply = try call(
            RestRequest(
                operation: "admin_create_bot", body: ByteBuffer(string: #"{"name":"\#(name)"\#(owner)}"#),
                isOperator: true),
            at: Slot(truncating: slot))
        return try RegisteredUser(id: reply.id("id"), token: reply.text("token"))
    }

    func logIn(_ login: String, _ password: String) throws -> Reply {
        let name: DirectoryName = login.contains("@") ? .email(login) : .username(login)
        let found = try call(
            RestRequest(
                operation: "lookup_name",
                parameters: ["kind": login.contains("@") ? "email" : "username", "name": login]), at: name.slot)
        let id: UserID = try found.id("user_id")
        return try call(
            RestRequest(
                operation: "login", parameters: ["user_id": id.description],
                body: ByteBuffer(string: #"{"login":"\#(login)","password":"\#(password)"}"#)), at: id.slot)
    }
}

/// A reply with its JSON.
struct Reply {
    struct Missing: Error {
        var path: String
        var body: String
    }

    let status: Int
    let body: String
    private let value: Any?

    init(_ reply: RestReply) {
        status = reply.status
        body = String(buffer: reply.body)
        value = try? JSONSerialization.jsonObject(with: Data(reply.body.readableBytesView))
    }

    /// The value at a path such as `errors.username._errors.0.code`; `nil` also for JSON's null.
    func value(_ path: String) -> Any? {
        var here = value
        for name in path.split(separator: ".") {
            if let list = here as? [Any], let position = Int(name), list.indices.contains(position) {
                here = list[position]
            } else {
                here = (here as? [String: Any])?[String(name)]
            }
        }
        return here is NSNull ? nil : here
    }

    func text(_ path: String) throws -> String {
        guard let text = value(path) as? String else { throw Missing(path: path, body: body) }
        return text
    }

    func id<Kind>(_ path: String) throws -> EntityID<Kind> {
        guard let id = EntityID<Kind>(try text(path)) else { throw Missing(path: path, body: body) }
        return id
    }

    var names: Set<String> { Set((value as? [String: Any] ?? [:]).keys) }
    var code: Int? { value("code") as? Int }
    func fault(_ field: String) -> String? { value("errors.\(field)._errors.0.code") as? String }
}

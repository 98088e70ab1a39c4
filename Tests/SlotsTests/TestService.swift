import Domain
import Identity
import NIOCore
import Slots
import Wire

/// A small service whose rows are counters: what the runtime's tests run.
enum TestService: SlotService {
    static let root = RootEntity.guild(GuildID(rawValue: 7 << 12))

    static let registry = ServiceRegistry(
        [TestService.self], authenticate: { _, _ in AuthenticateReply(actor: nil) }, profile: { _, _ in nil })

    static func key(_ name: String) -> [UInt8] { Array(name.utf8) }

    static func counter(_ name: String, in transaction: any SlotTransaction) throws -> UInt64 {
        try transaction.get(.guild, key(name))?.getInteger(at: 0) ?? 0
    }

    /// The new value.
    @discardableResult
    static func add(_ amount: UInt64, to name: String, in transaction: any SlotTransaction) throws -> UInt64 {
        let value = try counter(name, in: transaction) + amount
        transaction.put(.guild, key(name), ByteBuffer(integer: value))
        return value
    }

    static func event(_ type: String, intents: UInt64 = 0, root: RootEntity = root) -> Event {
        Event(type: type, root: root, intents: intents, payload: ByteBuffer(string: "{}"))
    }

    static func text(_ text: String, status: Int = 200) -> RestReply {
        RestReply(status: status, body: ByteBuffer(string: text))
    }

    static let operations: [String: OperationHandler] = [
        // Reads, writes, mints, emits: an answer that is remembered whole.
        "increment": { request, transaction in
            let value = try add(1, to: request.parameters["name"] ?? "", in: transaction)
            let id = try transaction.mint()
            transaction.put(.message, key("\(id)"), request.body)
            if let type = request.parameters["event"] { transaction.emit(event(type)) }
            return .reply(text("\(value) \(id)"))
        },
        // An answer that is remembered by reference.
        "increment_once": { request, transaction in
            let value = try add(1, to: request.parameters["name"] ?? "", in: transaction)
            return .replyOnce(
                text("\(value)", status: 201),
                again: ReplyReference(status: 201, operation: "get", parameters: request.parameters))
        },
        "get": { request, transaction in
            .reply(text("\(try counter(request.parameters["name"] ?? "", in: transaction))"))
        },
        // A row of the body's size, for measuring.
        "write": { request, transaction in
            let id = try transaction.mint()
            transaction.put(.message, key("\(id)"), request.body)
            return .reply(text("\(id)"))
        },
        "count_messages": { _, _ in
            .read { reader in
                var count = 0
                try reader.scan(.message, from: [], upTo: [255], reverse: false) { _, _ in
                    count += 1
                    return true
                }
                return text("\(count)")
            }
        },
        "fail_after_write": { request, transaction in
            try add(100, to: request.parameters["name"] ?? "", in: transaction)
            transaction.caches.cache(Seen.self, make: Seen.init).values.append("dirty")
            transaction.emit(event("NEVER"))
            throw APIError.missingPermissions
        },
        "break": { _, _ in throw TestFault() },
        "cached": { _, transaction in
            .reply(text(transaction.caches.cache(Seen.self, make: Seen.init).values.joined()))
        },
        "offload": { request, transaction in
            let body = request.body
            return .offload(
                { ByteBuffer(string: String(String(buffer: body).reversed())) },
                then: { result, transaction in
                    try add(1, to: "offloaded", in: transaction)
                    return .reply(RestReply(status: 200, body: result))
                })
        },
        // Waits until the counter reaches the number in the body.
        "wait": { request, transaction in
            let wanted = UInt64(String(buffer: request.body)) ?? 0
            let name = request.parameters["name"] ?? ""
            try add(1, to: "waiters", in: transaction)
            return .wait { transaction in try whenReached(name, wanted, transaction) }
        },
        // The same, but goes on when it is asked again after a restart.
        "wait_resumably": { request, transaction in
            let wanted = UInt64(String(buffer: request.body)) ?? 0
            let name = request.parameters["name"] ?? ""
            let isResumed = request.parameters["resumed"] == "yes"
            try add(1, to: isResumed ? "resumed" : "waiters", in: transaction)
            return .wait(
                retry: { transaction in try whenReached(name, wanted, transaction) }, resuming: ["resumed": "yes"])
        },
        // Sends as many effects as the body says to the slot that is named.
        "send": { request, transaction in
            let destination = Slot(truncating: UInt64(request.parameters["slot"] ?? "") ?? 0)
            for number in 0..<(UInt64(String(buffer: request.body)) ?? 0) {
                transaction.send(
                    .membershipRemoved(user: UserID(rawValue: number), guild: GuildID(rawValue: 1)), to: destination)
            }
            try add(1, to: "sent", in: transaction)
            return .reply(text("sent"))
        },
        // Work that counts down from the number in the body.
        "work": { request, transaction in
            transaction.schedule(
                .deleteGuild(
                    GuildID(rawValue: UInt64(String(buffer: request.body)) ?? 0), after: UserID(rawValue: 0)))
            return .reply(text("scheduled"))
        },
        "type": { _, transaction in
            transaction.emitEphemeral(event("TYPING_START"))
            return .reply(text(""))
        },
    ]

    private static func whenReached(_ name: String, _ wanted: UInt64, _ transaction: any SlotTransaction) throws
        -> Outcome
    {
        let value = try counter(name, in: transaction)
        if value >= wanted { return .reply(text("reached \(value)")) }
        return .wait { try whenReached(name, wanted, $0) }
    }

    static func apply(_ effect: Effect, in transaction: any SlotTransaction) throws -> Bool {
        guard case .membershipRemoved(let user, _) = effect else { return false }
        let count = try add(1, to: "effects", in: transaction)
        // In order: the n-th effect names user n-1 (modulo the size of a send).
        let previous = try add(0, to: "lastUser", in: transaction)
        if user.rawValue != 0, user.rawValue != previous + 1 { try add(1, to: "disorder", in: transaction) }
        transaction.put(.guild, key("lastUser"), ByteBuffer(integer: user.rawValue))
        transaction.emit(event("EFFECT_\(count)"))
        return true
    }

    static func perform(_ work: Work, in transaction: any SlotTransaction) throws -> Bool {
        guard case .deleteGuild(let left, _) = work else { return false }
        try add(1, to: "steps", in: transaction)
        if left.rawValue > 1 {
            transaction.schedule(.deleteGuild(GuildID(rawValue: left.rawValue - 1), after: UserID(rawValue: 0)))
        }
        return true
    }

    static func snapshot(
        of root: RootEntity, for user: UserID, in transaction: any SlotTransaction
    ) throws -> ByteBuffer? {
        guard user.rawValue == 1 else { return nil }
        return ByteBuffer(string: "\(try counter("a", in: transaction))")
    }
}

final class Seen {
    var values: [String] = []
}

struct TestFault: Error {}

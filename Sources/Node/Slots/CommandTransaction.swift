import Domain
import Identity
import NIOCore
import Replication
import Storage
import Wire

/// What one running command sees and does. Lives for the time of the command, on the slot's executor.
final class CommandTransaction: SlotTransaction {
    let slot: Slot
    let now: Timestamp
    let caches: SlotCaches
    let tokenSecret: TokenSecret
    private let state: StateStore
    /// Of the slot's uncommitted entries.
    private let uncommitted: Overlay
    /// Of this command; made by its first write.
    private var own: Overlay?

    private(set) var operations: [Entry.Operation] = []
    private(set) var events: [Event] = []
    private(set) var ephemeralEvents: [Event] = []
    private(set) var effects: [(effect: Effect, destination: Slot)] = []
    private(set) var scheduledWork: [Work] = []
    private(set) var minter: IDMinter
    private var generator = SystemRandomNumberGenerator()

    init(
        slot: Slot, now: Timestamp, caches: SlotCaches, tokenSecret: TokenSecret, state: StateStore,
        uncommitted: Overlay, minter: IDMinter
    ) {
        self.slot = slot
        self.now = now
        self.caches = caches
        self.tokenSecret = tokenSecret
        self.state = state
        self.uncommitted = uncommitted
        self.minter = minter
    }

    /// Whether an entry is needed. A minted id alone needs none: nobody has seen it.
    var hasChanges: Bool {
        !operations.isEmpty || !events.isEmpty || !effects.isEmpty || !scheduledWork.isEmpty
    }

    func get(_ family: Family, _ key: [UInt8]) throws -> ByteBuffer? {
        if let own {
            switch own.lookup(family, key) {
            case .value(let value): return value
            case .deleted: return nil
            case .unknown: break
            }
        }
        switch uncommitted.lookup(family, key) {
        case .value(let value): return value
        case .deleted: return nil
        case .unknown: return try state.get(slot, family, key)
        }
    }

    func scan(
        _ family: Family, from: [UInt8], upTo: [UInt8], reverse: Bool,
        _ body: (_ key: [UInt8], _ value: ByteBuffer) throws -> Bool
    ) throws {
        guard from.precedes(upTo) else { return }
        let layers = own.map { [$0, uncommitted] } ?? [uncommitted]
        var merge = RowMerge(layers, family, from: from, upTo: upTo, reverse: reverse)
        if merge.isEmpty { return try state.scan(slot, family, from: from, upTo: upTo, reverse: reverse, body) }
        try state.scan(slot, family, from: from, upTo: upTo, reverse: reverse) { try merge.take($0, $1, body) }
        try merge.finish(body)
    }

    func put(_ family: Family, _ key: [UInt8], _ value: ByteBuffer) {
        checkKey(key)
        operations.append(.put(family: family.rawValue, key: key, value: value))
        ownRows().set(family.rawValue, key, value, at: .zero)
    }

    func delete(_ family: Family, _ key: [UInt8]) {
        checkKey(key)
        operations.append(.delete(family: family.rawValue, key: key))
        ownRows().set(family.rawValue, key, nil, at: .zero)
    }

    func deleteRange(_ family: Family, from: [UInt8], upTo: [UInt8]) {
        checkKey(from)
        checkKey(upTo)
        guard from.precedes(upTo) else { return }
        operations.append(.deleteRange(family: family.rawValue, from: from, upTo: upTo))
        ownRows().deleteRange(family.rawValue, from: from, upTo: upTo, at: .zero)
    }

    private func checkKey(_ key: [UInt8]) {
        precondition(key.count <= Entry.maximumKeyLength, "keys are made by us, and short")
    }

    private func ownRows() -> Overlay {
        if let own { return own }
        let rows = Overlay()
        own = rows
        return rows
    }

    func mint() throws(APIError) -> Snowflake {
        do {
            return try minter.mint(now: now)
        } catch {
            throw APIError(status: 503, code: 0, message: "503: no id can be minted now (\(error))")
        }
    }

    /// Later ids are larger than `mark`, which a restored slot has given already.
    func raise(to mark: Snowflake) { if mark > minter.mark { minter = IDMinter(slot: slot, mark: mark) } }

    func random() -> UInt64 { generator.next() }
    func emit(_ event: Event) { events.append(event) }
    func emitEphemeral(_ event: Event) { ephemeralEvents.append(event) }
    func send(_ effect: Effect, to destination: Slot) { effects.append((effect, destination)) }
    func schedule(_ work: Work) { scheduledWork.append(work) }
}

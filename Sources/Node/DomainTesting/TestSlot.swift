import Domain
import Identity
import NIOCore
import Wire

/// A slot in memory that runs commands one at a time, each committed at once: what the domain's tests stand on.
///
/// As in the runtime, a command that throws leaves nothing behind, and drops the caches if it had written.
public final class TestSlot: SlotTransaction, CommittedReader {
    public let slot: Slot
    /// The test moves it.
    public var now: Timestamp
    public let caches = SlotCaches()
    public let tokenSecret: TokenSecret
    /// What was emitted by the commands so far; tests empty it as they like.
    public var events: [Event] = []
    public var ephemeralEvents: [Event] = []
    public var effects: [(effect: Effect, destination: Slot)] = []
    public var scheduledWork: [Work] = []
    /// How the last command's answer is given again, if by a reference.
    public private(set) var lastReference: ReplyReference?

    /// Rows that scans have given so far: what a command reads, other commands wait for.
    public private(set) var scannedRows: [Family: Int] = [:]

    private var rows: [Family: [[UInt8]: ByteBuffer]] = [:]
    private var minter: IDMinter
    private var generator: SeededGenerator
    private var hasWritten = false

    public init(slot: Slot, now: Timestamp = Timestamp(milliseconds: 1_790_000_000_000), seed: UInt64 = 1) {
        self.slot = slot
        self.now = now
        minter = IDMinter(slot: slot)
        generator = SeededGenerator(state: seed)
        tokenSecret = TokenSecret(bytes: [UInt8](repeating: 7, count: 32))
    }

    /// Runs `body` as one command.
    public func command<Result>(_ body: (any SlotTransaction) throws -> Result) throws -> Result {
        let before = (rows, events, ephemeralEvents, effects, scheduledWork)
        hasWritten = false
        do {
            return try body(self)
        } catch {
            (rows, events, ephemeralEvents, effects, scheduledWork) = before
            if hasWritten { caches.removeAll() }
            throw error
        }
    }

    /// Runs `body`, of which nothing remains.
    public func trial(_ body: () throws -> Void) throws {
        let before = (rows, events, ephemeralEvents, effects, scheduledWork)
        defer {
            (rows, events, ephemeralEvents, effects, scheduledWork) = before
            caches.removeAll()
        }
        try body()
    }

    /// Runs a request's handler to its reply; an ``APIError`` becomes the reply that the client would get.
    ///
    /// - Throws: ``TestSlotError``, or the handler's fault of the store.
    public func call(_ request: RestRequest, of service: (some SlotService).Type) throws -> RestReply {
        guard let handler = service.operations[request.operation] else {
            throw TestSlotError.unknownOperation(request.operation)
        }
        lastReference = nil
        do {
            return try resolve(try command { try handler(request, $0) })
        } catch let error as APIError {
            return error.reply
        }
    }

    private func resolve(_ outcome: Outcome) throws -> RestReply {
        switch outcome {
        case .reply(let reply): return reply
        case .replyOnce(let reply, let again):
            lastReference = again
            return reply
        case .read(let read): return try read(self)
        case .offload(let compute, let then):
            let result = try compute()
            return try resolve(try command { try then(result, $0) })
        case .wait: throw TestSlotError.isWaiting
        }
    }

    /// Runs scheduled work until none is left.
    public func performScheduledWork(of service: (some SlotService).Type) throws {
        while !scheduledWork.isEmpty {
            let work = scheduledWork.removeFirst()
            guard try command({ try service.perform(work, in: $0) }) else { throw TestSlotError.unknownWork(work) }
        }
    }

    /// The number of rows of a family: tests look whether anything is left.
    public func rowCount(_ family: Family) -> Int { rows[family]?.count ?? 0 }

    // MARK: SlotTransaction

    public func get(_ family: Family, _ key: [UInt8]) throws -> ByteBuffer? { rows[family]?[key] }

    public func scan(
        _ family: Family, from: [UInt8], upTo: [UInt8], reverse: Bool,
        _ body: (_ key: [UInt8], _ value: ByteBuffer) throws -> Bool
    ) throws {
        let found = (rows[family] ?? [:]).filter {
            !$0.key.lexicographicallyPrecedes(from) && $0.key.lexicographicallyPrecedes(upTo)
        }.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        for (key, value) in reverse ? found.reversed() : found {
            scannedRows[family, default: 0] += 1
            if try !body(key, value) { return }
        }
    }

    public func put(_ family: Family, _ key: [UInt8], _ value: ByteBuffer) {
        hasWritten = true
        rows[family, default: [:]][key] = value
    }

    public func delete(_ family: Family, _ key: [UInt8]) {
        hasWritten = true
        rows[family]?[key] = nil
    }

    public func deleteRange(_ family: Family, from: [UInt8], upTo: [UInt8]) {
        hasWritten = true
        rows[family] = rows[family]?.filter {
            $0.key.lexicographicallyPrecedes(from) || !$0.key.lexicographicallyPrecedes(upTo)
        }
    }

    public func mint() throws(APIError) -> Snowflake {
        do {
            return try minter.mint(now: now)
        } catch {
            throw APIError(status: 503, code: 0, message: "no ids left: \(error)")
        }
    }

    public func random() -> UInt64 { generator.next() }
    public func emit(_ event: Event) { events.append(event) }
    public func emitEphemeral(_ event: Event) { ephemeralEvents.append(event) }
    public func send(_ effect: Effect, to destination: Slot) { effects.append((effect, destination)) }
    public func schedule(_ work: Work) { scheduledWork.append(work) }
}

/// A mistake of the test itself.
public enum TestSlotError: Error {
    case unknownOperation(String)
    case unknownWork(Work)
    /// The outcome waits for another slot: the test must deliver the effect and call again.
    case isWaiting
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators"): the same numbers for a seed.
public struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    public init(state: UInt64) { self.state = state }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

import Domain
import Identity
import NIOCore
import Replication
import Wire

/// The runtime's own rows in ``Family/meta``: keys, and what an entry's own fields make of them when it is applied.
///
/// The first byte says what a row is; 0 is the store's applied index. Numbers in keys are big-endian.
enum MetaRows {
    private enum Kind: UInt8 {
        /// minted (8), random (8) → ``Entry/Request``.
        case request = 1
        /// destination (2), number (8) → an encoded effect that is not acknowledged.
        case outbox = 2
        /// destination (2) → the last number given.
        case outboxLast = 3
        /// source (2), incarnation (8) → the last number applied.
        case inbox = 4
        /// index (8), ordinal (4) → ``Work`` that is not done.
        case work = 5
        /// 0 for a guild or 1 for a user, id (8) → the number of its last event.
        case lastEvent = 6
        /// → what names this life of the slot's data.
        case incarnation = 7
        /// → ``RestoreMarker``.
        case restored = 20
        /// destination (2), number (8) → an effect of the data's former life, for who lacks it.
        case restoredOutbox = 21
        /// index (8), ordinal (4) → ``Work`` of the data's former life.
        case restoredWork = 22
    }

    private static func key(_ kind: Kind, _ body: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
        var key = [kind.rawValue]
        key.reserveCapacity(20)
        body(&key)
        return key
    }

    /// The first key after all that begin with `kind`.
    private static func end(_ kind: Kind) -> [UInt8] { [kind.rawValue + 1] }

    // MARK: Requests

    static func request(_ id: RequestID) -> [UInt8] {
        key(.request) {
            $0.append(bigEndian: id.mintedMilliseconds)
            $0.append(bigEndian: id.random)
        }
    }

    /// All requests minted before `milliseconds`.
    static func requests(before milliseconds: UInt64) -> (from: [UInt8], upTo: [UInt8]) {
        (key(.request), key(.request) { $0.append(bigEndian: milliseconds) })
    }

    // MARK: Outbox and inbox

    static func outbox(_ destination: Slot, _ number: UInt64) -> [UInt8] {
        key(.outbox) {
            $0.append(bigEndian: destination.rawValue)
            $0.append(bigEndian: number)
        }
    }

    static func outboxNumber(_ key: [UInt8]) -> UInt64 { UInt64(bigEndian: key[3..<11]) }
    static func outboxDestination(_ key: [UInt8]) -> Slot { Slot(truncating: UInt64(bigEndian: key[1..<3])) }
    static var allOutbox: (from: [UInt8], upTo: [UInt8]) { (key(.outbox), end(.outbox)) }

    static func outboxLast(_ destination: Slot) -> [UInt8] {
        key(.outboxLast) { $0.append(bigEndian: destination.rawValue) }
    }

    static var allOutboxLast: (from: [UInt8], upTo: [UInt8]) { (key(.outboxLast), end(.outboxLast)) }

    static func inbox(_ source: Slot, _ incarnation: UInt64) -> [UInt8] {
        key(.inbox) {
            $0.append(bigEndian: source.rawValue)
            $0.append(bigEndian: incarnation)
        }
    }

    // MARK: Work, events, incarnation

    static func work(_ index: LogIndex, _ ordinal: UInt32) -> [UInt8] {
        key(.work) {
            $0.append(bigEndian: index.rawValue)
            $0.append(bigEndian: ordinal)
        }
    }

    static var allWork: (from: [UInt8], upTo: [UInt8]) { (key(.work), end(.work)) }

    static func lastEvent(_ root: RootEntity) -> [UInt8] {
        key(.lastEvent) {
            switch root {
            case .guild: $0.append(0)
            case .user: $0.append(1)
            }
            $0.append(bigEndian: root.snowflake.rawValue)
        }
    }

    static var incarnation: [UInt8] { key(.incarnation) }

    /// What the entry says that names this life of the slot's data, if it does.
    static func incarnation(in entry: Entry) -> UInt64? {
        for case .put(Family.meta.rawValue, incarnation, let value) in entry.operations { return number(value) }
        return nil
    }

    // MARK: Restores

    /// Behind every key of a row.
    static let pastAllKeys = [UInt8](repeating: .max, count: Entry.maximumKeyLength + 1)

    static var restored: [UInt8] { key(.restored) }
    static func restoredOutbox(_ key: [UInt8]) -> [UInt8] { [Kind.restoredOutbox.rawValue] + key.dropFirst() }
    static func restoredWork(_ key: [UInt8]) -> [UInt8] { [Kind.restoredWork.rawValue] + key.dropFirst() }
    static var allRestoredOutbox: (from: [UInt8], upTo: [UInt8]) { (key(.restoredOutbox), end(.restoredOutbox)) }
    static var restoredWork: (from: [UInt8], upTo: [UInt8]) { (key(.restoredWork), end(.restoredWork)) }

    /// What a row of a backup is to a restore.
    enum Part { case outbox, work, inbox, incarnation, other }

    static func part(_ key: [UInt8]) -> Part {
        switch (key.first.flatMap { Kind(rawValue: $0) }, key.count) {
        case (.outbox, 11): .outbox
        case (.work, 13): .work
        case (.inbox, 11): .inbox
        case (.incarnation, 1): .incarnation
        default: .other
        }
    }

    /// Whether a restore may write the row.
    static func isRestorable(_ key: [UInt8]) -> Bool {
        switch key.first.flatMap({ Kind(rawValue: $0) }) {
        case .inbox, .restoredOutbox, .restoredWork: true
        default: false
        }
    }

    // MARK: Values

    /// A number as a row's value, behind a byte of format version.
    static func value(_ number: UInt64) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt8(1))
        buffer.writeInteger(number)
        return buffer
    }

    static func number(_ value: ByteBuffer) -> UInt64? {
        guard value.getInteger(at: value.readerIndex, as: UInt8.self) == 1 else { return nil }
        return value.getInteger(at: value.readerIndex + 1)
    }

    static func value(_ number: EventNumber) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt8(1))
        buffer.writeInteger(number.index.rawValue)
        buffer.writeInteger(number.ordinal)
        return buffer
    }

    static func eventNumber(_ value: ByteBuffer) -> EventNumber? {
        var value = value
        guard value.readInteger(as: UInt8.self) == 1, let index: UInt64 = value.readInteger(),
            let ordinal: UInt32 = value.readInteger()
        else { return nil }
        return EventNumber(index: LogIndex(rawValue: index), ordinal: ordinal)
    }

    /// What the entry's request, outbox items and events add to its operations.
    ///
    /// - Parameter roots: the root entities of the entry's events, in order.
    static func operations(of entry: Entry, roots: [RootEntity]) -> [Entry.Operation] {
        var operations: [Entry.Operation] = []
        func put(_ key: [UInt8], _ value: ByteBuffer) {
            operations.append(.put(family: Family.meta.rawValue, key: key, value: value))
        }
        if let request = entry.request { put(MetaRows.request(request.id), request.encoded()) }
        for item in entry.outbox {
            put(outbox(item.destination, item.number), item.effect)
            put(outboxLast(item.destination), value(item.number))
        }
        for (ordinal, root) in roots.enumerated() where !roots.dropFirst(ordinal + 1).contains(root) {
            put(lastEvent(root), value(EventNumber(index: entry.index, ordinal: UInt32(ordinal))))
        }
        return operations
    }
}

extension [UInt8] {
    fileprivate mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}

extension UInt64 {
    fileprivate init(bigEndian bytes: ArraySlice<UInt8>) { self = bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}

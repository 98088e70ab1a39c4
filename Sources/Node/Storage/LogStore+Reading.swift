import CRocksDB
import Identity
import NIOCore
import Replication

/// An entry as it lies in the log, with its head: what is sent to another replica.
public struct RawEntry: Hashable, Sendable {
    public var position: LogPosition
    public var encoded: ByteBuffer

    public init(position: LogPosition, encoded: ByteBuffer) {
        self.position = position
        self.encoded = encoded
    }
}

extension LogStore {
    /// Calls `body` with the slot's entries from `first` on, in order, until it returns `false`.
    ///
    /// - Throws: ``StorageFailure/corruptReplica(slot:index:reason:)`` for an entry that is not what was written, or
    ///   what `body` throws.
    public func entries(_ slot: Slot, from first: LogIndex, _ body: (Entry) throws -> Bool) throws {
        try scan(slot, from: first, reverse: false) { index, value in
            let entry: Entry
            do {
                entry = try Entry(decoding: ByteBuffer(bytes: value))
            } catch {
                throw LogStore.corrupt(slot, index, error)
            }
            try LogStore.check(Entry.Head(slot: entry.slot, position: entry.position), slot, index)
            return try body(entry)
        }
    }

    /// The slot's entries from `first` on as they were written, their checksums compared, until they make
    /// `maximumBytes`; at least one when there is one.
    ///
    /// - Throws: ``StorageFailure``.
    public func rawEntries(_ slot: Slot, from first: LogIndex, maximumBytes: Int) throws -> [RawEntry] {
        var entries: [RawEntry] = []
        var bytes = 0
        try scan(slot, from: first, reverse: false) { index, value in
            guard bytes == 0 || bytes + value.count <= maximumBytes else { return false }
            let encoded = ByteBuffer(bytes: value)
            entries.append(
                RawEntry(position: try LogStore.position(encoded, slot, index, verifying: true), encoded: encoded))
            bytes += value.count
            return bytes < maximumBytes
        }
        return entries
    }

    /// Calls `body` with the positions of the slot's entries from `first` on, in order, until it returns `false`. Only
    /// the heads of the entries are read, and their checksums are not compared.
    ///
    /// - Throws: ``StorageFailure``, or what `body` throws.
    public func positions(_ slot: Slot, from first: LogIndex, _ body: (LogPosition) throws -> Bool) throws {
        try scan(slot, from: first, reverse: false) { index, value in
            try body(try LogStore.position(startOf: value, slot, index))
        }
    }

    /// Where the slot's log begins; `nil` when it is empty.
    ///
    /// - Throws: ``StorageFailure``.
    public func first(_ slot: Slot) throws -> LogPosition? { try end(slot, from: .zero, reverse: false) }

    /// Where the slot's log ends; `nil` when it is empty.
    ///
    /// - Throws: ``StorageFailure``.
    public func last(_ slot: Slot) throws -> LogPosition? { try end(slot, from: .zero, reverse: true) }

    /// The position of the slot's entry at `index`; `nil` when the log does not hold it.
    ///
    /// - Throws: ``StorageFailure``.
    public func position(_ slot: Slot, _ index: LogIndex) throws -> LogPosition? {
        guard let position = try end(slot, from: index, reverse: false), position.index == index else { return nil }
        return position
    }

    private func end(_ slot: Slot, from first: LogIndex, reverse: Bool) throws -> LogPosition? {
        var found: LogPosition?
        try scan(slot, from: first, reverse: reverse) { index, value in
            found = try LogStore.position(startOf: value, slot, index)
            return false
        }
        return found
    }

    private func scan(
        _ slot: Slot, from first: LogIndex, reverse: Bool,
        _ body: (LogIndex, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try StorageFailure.locating(slot) {
            try database.scan(
                family, from: LogStore.key(slot, first).bytes, upTo: RowKey.end(of: slot).bytes, reverse: reverse
            ) { key, value in
                guard key.count == 10 else {
                    throw StorageFailure.corruptReplica(slot: slot, index: nil, reason: "a key has \(key.count) bytes")
                }
                return try body(LogIndex(rawValue: key.dropFirst(2).reduce(0) { $0 << 8 | UInt64($1) }), value)
            }
        }
    }

    /// Reads the head alone, which lies at an entry's start unless another version writes otherwise.
    private static func position(
        startOf value: UnsafeRawBufferPointer, _ slot: Slot, _ index: LogIndex
    ) throws(StorageFailure) -> LogPosition {
        let start = UnsafeRawBufferPointer(rebasing: value.prefix(Entry.usualHeadSize))
        if let head = try? Entry.head(of: ByteBuffer(bytes: start), verifying: false) {
            try check(head, slot, index)
            return head.position
        }
        return try position(ByteBuffer(bytes: value), slot, index, verifying: true)
    }

    private static func position(
        _ encoded: ByteBuffer, _ slot: Slot, _ index: LogIndex, verifying: Bool
    ) throws(StorageFailure) -> LogPosition {
        let head: Entry.Head
        do {
            head = try Entry.head(of: encoded, verifying: verifying)
        } catch {
            throw corrupt(slot, index, error)
        }
        try check(head, slot, index)
        return head.position
    }

    private static func check(_ head: Entry.Head, _ slot: Slot, _ index: LogIndex) throws(StorageFailure) {
        guard head.slot == slot, head.position.index == index else {
            throw .corruptReplica(
                slot: slot, index: index,
                reason: "the entry says that it is entry \(head.position.index) of slot \(head.slot)")
        }
    }

    private static func corrupt(_ slot: Slot, _ index: LogIndex, _ error: any Error) -> StorageFailure {
        .corruptReplica(slot: slot, index: index, reason: "\(error)")
    }
}

extension Entry {
    fileprivate var position: LogPosition { LogPosition(epoch: epoch, index: index) }
}

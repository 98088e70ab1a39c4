import Identity
import NIOCore

/// Small rows of the `log` instance that are no entries: one of each kind for a slot.
///
/// Their keys begin with two bytes of 0xff, which no slot has, so that they lie behind all entries, no change of a slot's
/// log touches them, and a version that does not know them reads past them.
enum LogNote: UInt8 {
    /// The highest epoch seen in the slot's row; see ``KnownEpochs``.
    case epoch = 1
    /// A ``SlotMarker``.
    case marker = 2
    /// The newest row of the slot that this node has taken part by, encoded: for when the coordinator's rows are lost.
    case row = 3
    /// An ``InstalledSnapshot``, encoded.
    case snapshot = 4

    static let format: UInt8 = 1
    private static let prefix: [UInt8] = [0xff, 0xff]

    /// Of a slot's row.
    func key(_ slot: Slot) -> RowKey {
        RowKey(bytes: start + [UInt8(slot.rawValue >> 8), UInt8(truncatingIfNeeded: slot.rawValue)])
    }

    var start: [UInt8] { LogNote.prefix + [rawValue] }
    var end: [UInt8] { LogNote.prefix + [rawValue + 1] }

    static func value(_ number: UInt64) -> ByteBuffer {
        var value = ByteBuffer()
        value.writeInteger(format)
        value.writeInteger(number)
        return value
    }

    static func value(_ row: ByteBuffer) -> ByteBuffer {
        var value = ByteBuffer()
        value.writeInteger(format)
        value.writeImmutableBuffer(row)
        return value
    }

    /// What ``value(_:)`` made; `nil` for anything else.
    static func number(_ value: ByteBuffer) -> UInt64? {
        var value = value
        guard value.readInteger(as: UInt8.self) == format else { return nil }
        return value.readInteger()
    }
}

extension LogStore {
    /// The highest epoch of each slot's row that this disk remembers.
    ///
    /// - Throws: ``StorageFailure``.
    public func knownEpochs() throws(StorageFailure) -> [Slot: Epoch] {
        try notes(.epoch).mapValues { Epoch(rawValue: $0) }
    }

    /// The slots whose data must not be used, and why.
    ///
    /// - Throws: ``StorageFailure``.
    public func markers() throws(StorageFailure) -> [Slot: SlotMarker] {
        var markers: [Slot: SlotMarker] = [:]
        for (slot, number) in try notes(.marker) {
            guard let marker = UInt8(exactly: number).flatMap({ SlotMarker(rawValue: $0) }) else {
                throw .corrupt("slot \(slot) has the marker \(number)")
            }
            markers[slot] = marker
        }
        return markers
    }

    /// The newest row of each slot that this node has taken part by, encoded.
    ///
    /// - Throws: ``StorageFailure``.
    public func knownRows() throws(StorageFailure) -> [Slot: ByteBuffer] {
        try values(.row).mapValues { $0.dropFirst(1) }
    }

    /// The snapshots that were installed and had not been flushed, as far as the log knows.
    ///
    /// - Throws: ``StorageFailure``.
    func installedSnapshots() throws(StorageFailure) -> [InstalledSnapshot] {
        var snapshots: [InstalledSnapshot] = []
        for (slot, value) in try values(.snapshot) {
            guard let snapshot = try? InstalledSnapshot(decoding: value.dropFirst(1)), snapshot.head.slot == slot else {
                throw .corrupt("the note of slot \(slot)'s snapshot cannot be read")
            }
            snapshots.append(snapshot)
        }
        return snapshots
    }

    private func notes(_ note: LogNote) throws(StorageFailure) -> [Slot: UInt64] {
        var numbers: [Slot: UInt64] = [:]
        for (slot, value) in try values(note) {
            guard let number = LogNote.number(value) else { throw .corrupt("a note of the log cannot be read") }
            numbers[slot] = number
        }
        return numbers
    }

    private func values(_ note: LogNote) throws(StorageFailure) -> [Slot: ByteBuffer] {
        var notes: [Slot: ByteBuffer] = [:]
        do {
            try database.scan(family, from: note.start, upTo: note.end) { key, value in
                guard key.count == 5, let slot = Slot(rawValue: UInt16(key[3]) << 8 | UInt16(key[4])),
                    value.first == LogNote.format
                else { throw StorageFailure.corrupt("a note of the log cannot be read") }
                notes[slot] = ByteBuffer(bytes: value)
                return true
            }
        } catch let failure as StorageFailure {
            throw failure
        } catch {
            throw .corrupt("\(error)")
        }
        return notes
    }
}

extension ByteBuffer {
    fileprivate func dropFirst(_ count: Int) -> ByteBuffer {
        getSlice(at: readerIndex + count, length: readableBytes - count) ?? ByteBuffer()
    }
}

import Domain
import Identity
import NIOCore

/// All rows of a small slot in one buffer: a part of a snapshot whose family is the empty name.
///
/// Files cost a dozen syncs on either side, whatever is in them; most slots that move hold a few rows. For each family
/// with rows: its name's length (1 byte) and name, the number of rows (4); for each row the key's length without the slot
/// (2) and key, the value's length (4) and value. Integers are big-endian.
struct SnapshotRows {
    /// The most that a slot's rows take here; above it the slot travels as files.
    static let maximumBytes = 256 << 10

    private(set) var bytes = ByteBuffer()
    private(set) var count = 0

    /// - Returns: `nil` when the rows take more than `limit` bytes.
    init?(of snapshot: StateSnapshot, limit: Int) throws {
        for family in Family.allCases {
            let start = bytes.writerIndex
            bytes.writeInteger(UInt8(family.columnFamily.utf8.count))
            bytes.writeString(family.columnFamily)
            let countIndex = bytes.writerIndex
            bytes.writeInteger(UInt32(0))
            var rows: UInt32 = 0
            var isWhole = true
            try snapshot.scanWhole(family, from: []) { key, value in
                let key = key.dropFirst(2)
                // The applied index is in the head; whoever installs the rows writes it last.
                if family == .meta, key.elementsEqual(StateStore.appliedKey) { return true }
                isWhole = bytes.readableBytes + key.count + value.count + 6 <= limit
                guard isWhole else { return false }
                bytes.writeInteger(UInt16(key.count))
                bytes.writeBytes(key)
                bytes.writeInteger(UInt32(value.count))
                bytes.writeBytes(value)
                rows += 1
                return true
            }
            guard isWhole else { return nil }
            if rows == 0 {
                bytes.moveWriterIndex(to: start)
            } else {
                bytes.setInteger(rows, at: countIndex)
                count += Int(rows)
            }
        }
    }

    /// Puts the rows into a batch.
    ///
    /// - Throws: ``StorageFailure/snapshotFailed(slot:reason:)`` when they cannot be read.
    static func add(_ bytes: ByteBuffer, of slot: Slot, to batch: StateStore.Batch) throws(StorageFailure) {
        var bytes = bytes
        while bytes.readableBytes > 0 {
            guard let length: UInt8 = bytes.readInteger(), let name = bytes.readString(length: Int(length)),
                let family = Family(columnFamily: name), let rows: UInt32 = bytes.readInteger()
            else { throw .snapshotFailed(slot: slot, reason: "its rows are of no family that this version knows") }
            for _ in 0..<rows {
                guard let length: UInt16 = bytes.readInteger(), let key = bytes.readBytes(length: Int(length)),
                    let length: UInt32 = bytes.readInteger(), let value = bytes.readSlice(length: Int(length))
                else { throw .snapshotFailed(slot: slot, reason: "its rows end early") }
                batch.put(family, slot, key, value)
            }
        }
    }
}

import Domain
import NIOCore

/// One scan over layers of uncommitted rows and the committed rows below them.
struct RowMerge {
    /// The layers' newest version of each row in the range, in the scan's order; deleted rows without a value.
    private let upper: [(key: [UInt8], value: ByteBuffer?)]
    /// Committed rows in these are deleted.
    private let deletedRanges: [Overlay.DeletedRange]
    private let reverse: Bool
    private var next = 0
    private var hasStopped = false

    /// - Parameter layers: the newest first.
    init(_ layers: [Overlay], _ family: Family, from: [UInt8], upTo: [UInt8], reverse: Bool) {
        var merged: [(key: [UInt8], value: ByteBuffer?)] = []
        var ranges: [Overlay.DeletedRange] = []
        for layer in layers {
            let rows = layer.family(family)
            if rows.isEmpty { continue }
            let inRange = rows.position(from)..<max(rows.position(from), rows.position(upTo))
            let visible = rows.rows[inRange].filter { row in !ranges.contains { $0.contains(row.key) } }
            merged = RowMerge.merge(merged, visible.map { ($0.key, $0.value) })
            ranges += rows.deletedRanges
        }
        upper = reverse ? merged.reversed() : merged
        deletedRanges = ranges
        self.reverse = reverse
    }

    /// Two sorted lists as one; of equal keys `newer` has the say.
    private static func merge(
        _ newer: [(key: [UInt8], value: ByteBuffer?)], _ older: [(key: [UInt8], value: ByteBuffer?)]
    ) -> [(key: [UInt8], value: ByteBuffer?)] {
        if newer.isEmpty { return older }
        if older.isEmpty { return newer }
        var result: [(key: [UInt8], value: ByteBuffer?)] = []
        result.reserveCapacity(newer.count + older.count)
        var next = 0
        for row in older {
            while next < newer.count, newer[next].key.precedes(row.key) {
                result.append(newer[next])
                next += 1
            }
            if next < newer.count, newer[next].key == row.key { continue }
            result.append(row)
        }
        result += newer[next...]
        return result
    }

    /// Whether nothing lies above the committed rows.
    var isEmpty: Bool { upper.isEmpty && deletedRanges.isEmpty }

    /// Takes the next committed row, and gives `body` the rows that are then next in order.
    ///
    /// - Returns: `false` when `body` wants no more.
    mutating func take(
        _ key: [UInt8], _ value: ByteBuffer, _ body: ([UInt8], ByteBuffer) throws -> Bool
    ) throws -> Bool {
        guard try giveUpper(before: key, body) else { return false }
        if next < upper.count, upper[next].key == key {
            next += 1
            guard let newer = upper[next - 1].value else { return true }
            hasStopped = try !body(key, newer)
        } else if !deletedRanges.contains(where: { $0.contains(key) }) {
            hasStopped = try !body(key, value)
        }
        return !hasStopped
    }

    /// The committed rows are at their end: gives `body` what is left.
    mutating func finish(_ body: ([UInt8], ByteBuffer) throws -> Bool) throws {
        _ = try giveUpper(before: nil, body)
    }

    /// Gives out upper rows, while they come before `key`.
    private mutating func giveUpper(
        before key: [UInt8]?, _ body: ([UInt8], ByteBuffer) throws -> Bool
    ) throws -> Bool {
        while !hasStopped, next < upper.count {
            if let key, !(reverse ? key.precedes(upper[next].key) : upper[next].key.precedes(key)) { break }
            next += 1
            if let value = upper[next - 1].value { hasStopped = try !body(upper[next - 1].key, value) }
        }
        return !hasStopped
    }
}

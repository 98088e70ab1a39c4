import Domain
import Foundation
import Identity
import NIOCore
import Replication

/// Rows that are written but not applied yet, above the committed state: of one slot's uncommitted entries, or of one
/// command that is running.
///
/// Each family is a sorted array of the newest version of each row, and the ranges that were deleted. It is small:
/// what is written between two fsyncs.
final class Overlay {
    struct Row {
        var key: [UInt8]
        /// `nil` when the row is deleted.
        var value: ByteBuffer?
        var index: LogIndex
    }

    struct DeletedRange {
        var from: [UInt8]
        var upTo: [UInt8]
        var index: LogIndex

        func contains(_ key: [UInt8]) -> Bool { !key.precedes(from) && key.precedes(upTo) }
    }

    struct FamilyRows {
        var rows: [Row] = []
        var deletedRanges: [DeletedRange] = []

        var isEmpty: Bool { rows.isEmpty && deletedRanges.isEmpty }

        /// The place of the first row that does not precede `key`.
        func position(_ key: [UInt8]) -> Int {
            var (low, high) = (0, rows.count)
            while low < high {
                let middle = (low + high) / 2
                if rows[middle].key.precedes(key) { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    enum Lookup {
        /// Nothing is known here: look below.
        case unknown
        case deleted
        case value(ByteBuffer)
    }

    private var families = [FamilyRows](repeating: FamilyRows(), count: Family.allCases.count + 1)

    var isEmpty: Bool { families.allSatisfy { $0.isEmpty } }

    func family(_ family: Family) -> FamilyRows { families[Int(family.rawValue)] }

    func lookup(_ family: Family, _ key: [UInt8]) -> Lookup {
        let rows = families[Int(family.rawValue)]
        if rows.isEmpty { return .unknown }
        let position = rows.position(key)
        if position < rows.rows.count, rows.rows[position].key == key {
            return rows.rows[position].value.map { .value($0) } ?? .deleted
        }
        // Rows written after a range was deleted are found above.
        return rows.deletedRanges.contains { $0.contains(key) } ? .deleted : .unknown
    }

    func set(_ family: UInt8, _ key: [UInt8], _ value: ByteBuffer?, at index: LogIndex) {
        let family = Int(family)
        let position = families[family].position(key)
        let row = Row(key: key, value: value, index: index)
        if position < families[family].rows.count, families[family].rows[position].key == key {
            families[family].rows[position] = row
        } else {
            families[family].rows.insert(row, at: position)
        }
    }

    func deleteRange(_ family: UInt8, from: [UInt8], upTo: [UInt8], at index: LogIndex) {
        guard from.precedes(upTo) else { return }
        let family = Int(family)
        let range = families[family].position(from)..<families[family].position(upTo)
        families[family].rows.removeSubrange(range)
        families[family].deletedRanges.append(DeletedRange(from: from, upTo: upTo, index: index))
    }

    func add(_ operations: [Entry.Operation], at index: LogIndex) {
        for operation in operations {
            switch operation {
            case .put(let family, let key, let value): set(family, key, value, at: index)
            case .delete(let family, let key): set(family, key, nil, at: index)
            case .deleteRange(let family, let from, let upTo): deleteRange(family, from: from, upTo: upTo, at: index)
            }
        }
    }

    /// The entries through `index` are applied to the state below.
    func removeAll(through index: LogIndex) {
        for family in families.indices where !families[family].isEmpty {
            families[family].rows.removeAll { $0.index <= index }
            families[family].deletedRanges.removeAll { $0.index <= index }
        }
    }

    func removeAll() { for family in families.indices { families[family] = FamilyRows() } }
}

extension [UInt8] {
    /// Bytewise order, as RocksDB's.
    func precedes(_ other: [UInt8]) -> Bool {
        let common = Swift.min(count, other.count)
        let order = withUnsafeBytes { own in
            other.withUnsafeBytes { other -> Int32 in
                guard let own = own.baseAddress, let other = other.baseAddress else { return 0 }
                return memcmp(own, other, common)
            }
        }
        return order == 0 ? count < other.count : order < 0
    }
}

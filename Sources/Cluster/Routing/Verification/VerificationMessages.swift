import Identity
import NIOCore
import Wire

/// What is asked of a node that holds a slot, to compare its rows with another's (PROTOCOL.md "Verification").
public enum VerificationRequest: Hashable, Sendable, FieldCodable {
    /// How far the slot's log is applied there.
    case index(Slot)
    /// Keep the rows as they are when exactly the entries through this index are applied; wait for it.
    case hold(Slot, at: LogIndex)
    /// Sum up rows of what is kept: those of a family with keys in [`from`, `upTo`), at most `maximumRows`.
    case sum(token: UInt64, RowRange, maximumRows: Int)
    /// What is kept is not needed any more.
    case release(token: UInt64)
}

/// Rows of one family of a slot, by their keys without the slot.
public struct RowRange: Hashable, Sendable {
    /// The family's name.
    public var family: String
    public var from: [UInt8]
    /// `nil` for the end of the family.
    public var upTo: [UInt8]?

    public init(family: String, from: [UInt8], upTo: [UInt8]?) {
        self.family = family
        self.from = from
        self.upTo = upTo
    }
}

/// What the rows of a range come to.
public struct RangeSum: Hashable, Sendable {
    public var rows: Int
    /// Of keys and values.
    public var bytes: Int
    /// CRC-32C over lengths, keys and values.
    public var checksum: UInt32

    public init(rows: Int, bytes: Int, checksum: UInt32) {
        self.rows = rows
        self.bytes = bytes
        self.checksum = checksum
    }
}

/// The answer to a ``VerificationRequest``.
public enum VerificationReply: Hashable, Sendable, FieldCodable {
    case index(LogIndex)
    /// The rows are kept until they are released, or nobody has asked for them for a while.
    case held(token: UInt64, families: [String])
    /// More than the entries asked for are applied already.
    case passed(LogIndex)
    /// In the time of the call the log came no further than this.
    case behind(LogIndex)
    /// The slot is not there, or not in use.
    case absent(String)
    /// - Parameter next: the key of the first row that is left out, when there were too many.
    case sum(RangeSum, next: [UInt8]?)
    case done
}

extension VerificationRequest {
    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .index(let slot): writer.write(1) { $0.write(1, slot) }
        case .hold(let slot, let index):
            writer.write(2) {
                $0.write(1, slot)
                $0.write(2, index)
            }
        case .sum(let token, let range, let maximumRows):
            writer.write(3) {
                $0.write(3, fixed: token)
                $0.write(4, range.family)
                $0.write(5, range.from)
                if let upTo = range.upTo { $0.write(6, upTo) }
                $0.write(7, maximumRows)
            }
        case .release(let token): writer.write(4) { $0.write(3, fixed: token) }
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        guard let outer = try reader.next() else { throw .missingField(1) }
        var inner = try outer.message()
        var slot: Slot?
        var index: LogIndex?
        var token: UInt64?
        var range = RowRange(family: "", from: [], upTo: nil)
        var maximumRows = 0
        while let field = try inner.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: index = try field.logIndex()
            case 3: token = try field.fixed()
            case 4: range.family = try field.string()
            case 5: range.from = Array(try field.bytes().readableBytesView)
            case 6: range.upTo = Array(try field.bytes().readableBytesView)
            case 7: maximumRows = try field.int()
            default: break
            }
        }
        switch outer.number {
        case 1: self = .index(try slot.required(1))
        case 2: self = .hold(try slot.required(1), at: try index.required(2))
        case 3: self = .sum(token: try token.required(3), range, maximumRows: maximumRows)
        case 4: self = .release(token: try token.required(3))
        default: throw .invalidField(outer.number)
        }
    }
}

extension VerificationReply {
    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .index(let index): writer.write(1) { $0.write(1, index) }
        case .held(let token, let families):
            writer.write(2) {
                $0.write(2, fixed: token)
                for family in families { $0.write(3, family) }
            }
        case .passed(let index): writer.write(3) { $0.write(1, index) }
        case .behind(let index): writer.write(4) { $0.write(1, index) }
        case .absent(let reason): writer.write(5) { $0.write(4, reason) }
        case .sum(let sum, let next):
            writer.write(6) {
                $0.write(5, sum.rows)
                $0.write(6, sum.bytes)
                $0.write(7, UInt64(sum.checksum))
                if let next { $0.write(8, next) }
            }
        case .done: writer.write(7) { _ in }
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        guard let outer = try reader.next() else { throw .missingField(1) }
        var inner = try outer.message()
        var index: LogIndex?
        var token: UInt64?
        var families: [String] = []
        var reason = ""
        var sum = RangeSum(rows: 0, bytes: 0, checksum: 0)
        var next: [UInt8]?
        while let field = try inner.next() {
            switch field.number {
            case 1: index = try field.logIndex()
            case 2: token = try field.fixed()
            case 3: families.append(try field.string())
            case 4: reason = try field.string()
            case 5: sum.rows = try field.int()
            case 6: sum.bytes = try field.int()
            case 7:
                guard let checksum = UInt32(exactly: try field.uint64()) else { throw .invalidField(7) }
                sum.checksum = checksum
            case 8: next = Array(try field.bytes().readableBytesView)
            default: break
            }
        }
        switch outer.number {
        case 1: self = .index(try index.required(1))
        case 2: self = .held(token: try token.required(2), families: families)
        case 3: self = .passed(try index.required(1))
        case 4: self = .behind(try index.required(1))
        case 5: self = .absent(reason)
        case 6: self = .sum(sum, next: next)
        case 7: self = .done
        default: throw .invalidField(outer.number)
        }
    }
}

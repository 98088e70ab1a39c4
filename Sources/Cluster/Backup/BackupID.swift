import Identity
import ObjectStore

/// The name of a backup: its time and some random digits, so that the order of names is that of times.
public struct BackupID: Hashable, Comparable, Sendable, CustomStringConvertible, Codable {
    public let text: String

    /// 1 to 64 of `A–Z a–z 0–9 -`; `nil` for anything else.
    public init?(_ text: String) {
        guard (1...64).contains(text.utf8.count), ObjectKey(text) != nil,
            text.utf8.allSatisfy({ !"./_".utf8.contains($0) })
        else { return nil }
        self.text = text
    }

    /// A new one, such as `20261124T123000Z-5f3a9c01`.
    public init(time: Timestamp, random: UInt32) {
        let digits = time.description.utf8.prefix(19).filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":") }
        let tail = String(random, radix: 16)
        text =
            String(decoding: digits, as: UTF8.self) + "Z-" + String(repeating: "0", count: 8 - tail.utf8.count) + tail
    }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = BackupID(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "no backup's name"))
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    public var description: String { text }
    public static func < (left: BackupID, right: BackupID) -> Bool { left.text < right.text }

    // MARK: Where its objects lie

    public static let root = "backups/"
    public var prefix: String { BackupID.root + text + "/" }
    /// Written first: the backup is under way, or was never finished.
    public var beginKey: ObjectKey { key("begin.json") }
    /// Written last: the backup is whole.
    public var manifestKey: ObjectKey { key("manifest.json") }
    /// The cluster's record, with the secret that tokens are signed with.
    public var recordKey: ObjectKey { key("cluster-record") }
    /// A slot's rows are there, and the entries since are not.
    public func rowsManifestKey(_ slot: Slot) -> ObjectKey { key("slots/\(BackupID.digits(slot)).rows.json") }
    /// A slot is whole.
    public func slotManifestKey(_ slot: Slot) -> ObjectKey { key("slots/\(BackupID.digits(slot)).json") }

    /// - Parameter attempt: tells apart what two nodes, or two tries, write.
    public func packKey(_ slot: Slot, attempt: UInt64, number: Int) -> ObjectKey {
        key("slots/\(BackupID.digits(slot))/\(String(attempt, radix: 16))-\(number)")
    }

    private func key(_ rest: String) -> ObjectKey {
        guard let key = ObjectKey(prefix + rest) else { preconditionFailure("a backup's name is part of a key") }
        return key
    }

    private static func digits(_ slot: Slot) -> String {
        let digits = "\(slot.rawValue)"
        return String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }
}

import Crypto
import Foundation

/// A name that is unique in the cluster; its directory entry lies in the slot that the name's hash picks (DESIGN §3).
public struct DirectoryName: Hashable, Sendable {
    public enum Kind: UInt64, Sendable {
        case username = 1
        case email = 2
    }

    public let kind: Kind
    /// Lower case, so that names that differ in case alone are one.
    public let canonical: String

    public init(kind: Kind, canonical: String) {
        self.kind = kind
        self.canonical = canonical
    }

    public static func username(_ name: String) -> DirectoryName {
        DirectoryName(kind: .username, canonical: name.lowercased())
    }

    public static func email(_ address: String) -> DirectoryName {
        DirectoryName(kind: .email, canonical: address.lowercased())
    }

    /// The first bits of SHA-256 of kind and name.
    public var slot: Slot {
        var hash = SHA256()
        hash.update(data: [UInt8(kind.rawValue)])
        hash.update(data: Data(canonical.utf8))
        var digest = hash.finalize().makeIterator()
        return Slot(truncating: UInt64(digest.next() ?? 0) << 8 | UInt64(digest.next() ?? 0))
    }
}

/// The name of an object: path-like, of characters that need no escaping in a file name or a URL.
///
/// 1 to 512 bytes of `A–Z a–z 0–9 . _ -` in segments between single slashes. A segment is never `.` or `..`, so that no
/// key leads out of a store's folder, and never ends in `.object`, which is how ``DiskObjectStore`` tells files from
/// folders.
public struct ObjectKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    public static let maximumLength = 512
    public static let maximumSegmentLength = 200
    static let fileSuffix = ".object"

    public let text: String

    /// `nil` for what is no key.
    public init?(_ text: String) {
        guard (1...ObjectKey.maximumLength).contains(text.utf8.count) else { return nil }
        for segment in text.split(separator: "/", omittingEmptySubsequences: false) {
            guard (1...ObjectKey.maximumSegmentLength).contains(segment.utf8.count),
                segment.utf8.allSatisfy(ObjectKey.isAllowed), segment != ".", segment != "..",
                !segment.hasSuffix(ObjectKey.fileSuffix)
            else { return nil }
        }
        self.text = text
    }

    static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// Whether `text` may stand where keys' beginnings are asked for: empty, or the beginning of some key.
    public static func isPrefix(_ text: String) -> Bool {
        if text.isEmpty || ObjectKey(text) != nil { return true }
        return text.hasSuffix("/") && ObjectKey(String(text.dropLast())) != nil
    }

    public var description: String { text }

    /// The order of keys in listings: that of their bytes.
    public static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}

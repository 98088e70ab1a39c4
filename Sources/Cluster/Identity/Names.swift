/// A process of the cluster, as the operator named it: 1 to 63 of `a-z`, `0-9`, `-`, `_`, `.`.
public struct NodeID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public static let maximumLength = 63
    public let rawValue: String

    /// Returns `nil` when the name has another character or length.
    public init?(rawValue: String) {
        let bytes = rawValue.utf8
        guard (1...NodeID.maximumLength).contains(bytes.count),
            bytes.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || [45, 46, 95].contains($0) })
        else { return nil }
        self.rawValue = rawValue
    }

    public static func < (left: NodeID, right: NodeID) -> Bool { left.rawValue < right.rawValue }
    public var description: String { rawValue }
}

/// Sixteen random bytes that name a thing for ever, written as 32 hexadecimal digits.
public protocol RandomName: RawRepresentable, Hashable, Sendable, CustomStringConvertible
where RawValue == String {
    init(verified: String)
}

extension RandomName {
    public init?(rawValue: String) {
        let bytes = rawValue.utf8
        guard bytes.count == 32, bytes.allSatisfy({ (97...102).contains($0) || (48...57).contains($0) }) else {
            return nil
        }
        self.init(verified: rawValue)
    }

    /// A new name from `generator`.
    public static func random(using generator: inout some RandomNumberGenerator) -> Self {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(32)
        for _ in 0..<2 {
            let word: UInt64 = generator.next()
            for shift in stride(from: 60, through: 0, by: -4) { text.append(digits[Int(word >> UInt64(shift) & 0xf)]) }
        }
        return Self(verified: String(decoding: text, as: UTF8.self))
    }

    public var description: String { rawValue }
}

/// Names a cluster; a store of one cluster refuses to serve another.
public struct ClusterID: RandomName {
    public let rawValue: String
    public init(verified: String) { rawValue = verified }
}

/// Names a data folder. A wiped disk under an old node's name is a new store.
public struct StoreID: RandomName {
    public let rawValue: String
    public init(verified: String) { rawValue = verified }
}

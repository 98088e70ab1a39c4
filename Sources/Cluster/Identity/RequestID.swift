/// Names a mutating request once, so that a retry of it is answered with the first one's result (DESIGN §6.7).
public struct RequestID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// How long a slot remembers a request id; it exceeds the longest retry deadline.
    public static let memory: Duration = .seconds(120)

    /// When the router minted the id, in milliseconds since the Unix epoch.
    public var mintedMilliseconds: UInt64
    public var random: UInt64

    public init(mintedMilliseconds: UInt64, random: UInt64) {
        self.mintedMilliseconds = mintedMilliseconds
        self.random = random
    }

    public static func < (left: RequestID, right: RequestID) -> Bool {
        (left.mintedMilliseconds, left.random) < (right.mintedMilliseconds, right.random)
    }

    public var description: String {
        String(mintedMilliseconds, radix: 16) + "-" + String(random, radix: 16)
    }
}

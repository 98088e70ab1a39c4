import Identity

/// A session's id; it names the gateway that made it, so that any other finds the session (DESIGN §10).
///
/// Hexadecimal digits only: 32 of random bits, then the node's name.
struct SessionID: Hashable, Sendable, CustomStringConvertible {
    static let maximumLength = 32 + 2 * NodeID.maximumLength

    /// Random enough that it cannot be guessed: 128 bits.
    let random: String
    /// The gateway where the session began; it knows where the session went.
    let origin: NodeID

    init(origin: NodeID, using generator: inout some RandomNumberGenerator) {
        self.origin = origin
        random = ClusterID.random(using: &generator).rawValue
    }

    /// Parses what a client sends; `nil` when no gateway can have made it.
    init?(_ text: String) {
        let digits = Array(text.utf8)
        guard digits.count > 32, digits.count <= SessionID.maximumLength, digits.count % 2 == 0,
            let random = ClusterID(rawValue: String(text.prefix(32)))
        else { return nil }
        self.random = random.rawValue
        var name: [UInt8] = []
        for index in stride(from: 32, to: digits.count, by: 2) {
            guard let high = SessionID.value(digits[index]), let low = SessionID.value(digits[index + 1]) else {
                return nil
            }
            name.append(high << 4 | low)
        }
        guard let origin = NodeID(rawValue: String(decoding: name, as: UTF8.self)) else { return nil }
        self.origin = origin
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 48...57: digit - 48
        case 97...102: digit - 87
        default: nil
        }
    }

    var description: String {
        let digits = Array("0123456789abcdef".utf8)
        let name = origin.rawValue.utf8.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return random + String(decoding: name, as: UTF8.self)
    }
}

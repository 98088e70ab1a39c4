/// An invite's code: ten characters of base 62 that hold the guild's slot and 49 random bits.
public struct InviteCode: Hashable, Sendable, CustomStringConvertible {
    public static let length = 10
    private static let randomBits: UInt64 = 49
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    public let slot: Slot
    public let random: UInt64

    /// - Parameter random: its low 49 bits are kept.
    public init(slot: Slot, random: UInt64) {
        self.slot = slot
        self.random = random & (1 << InviteCode.randomBits - 1)
    }

    /// Parses a code; `nil` when it is not one of ours.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == InviteCode.length else { return nil }
        var value: UInt64 = 0
        for byte in text.utf8 {
            guard let digit = InviteCode.alphabet.firstIndex(of: byte) else { return nil }
            value = value * 62 + UInt64(digit)
        }
        guard value >> InviteCode.randomBits < UInt64(Slot.count) else { return nil }
        self.init(slot: Slot(truncating: value >> InviteCode.randomBits), random: value)
    }

    public var description: String {
        var value = UInt64(slot.rawValue) << InviteCode.randomBits | random
        var digits = [UInt8](repeating: 48, count: InviteCode.length)
        for position in digits.indices.reversed() {
            digits[position] = InviteCode.alphabet[Int(value % 62)]
            value /= 62
        }
        return String(decoding: digits, as: UTF8.self)
    }
}

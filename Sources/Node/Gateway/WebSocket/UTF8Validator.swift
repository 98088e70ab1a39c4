/// Checks UTF-8 piece by piece and fails at the first byte that no valid text could hold there (RFC 3629; RFC 6455
/// §8.1 wants the connection failed as soon as that is known, also in the middle of a fragmented message).
struct UTF8Validator {
    /// Continuation bytes that the current character still needs.
    private var needed: UInt8 = 0
    /// Bounds of the next continuation byte: narrower than 80…BF after E0, ED, F0 and F4, which keeps out overlong
    /// forms, surrogates and what lies beyond U+10FFFF.
    private var lower: UInt8 = 0x80
    private var upper: UInt8 = 0xbf

    /// Whether the text may end here.
    var isComplete: Bool { needed == 0 }

    /// - Returns: `false` when the bytes so far are not the beginning of any valid text.
    mutating func check(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        while index < bytes.count {
            if needed == 0 {
                // Eight ASCII bytes at a time: most text of this protocol is ASCII.
                while index + 8 <= bytes.count,
                    bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
                {
                    index += 8
                }
                guard index < bytes.count else { break }
            }
            guard step(bytes[index]) else { return false }
            index += 1
        }
        return true
    }

    private mutating func step(_ byte: UInt8) -> Bool {
        if needed > 0 {
            guard byte >= lower, byte <= upper else { return false }
            needed -= 1
            (lower, upper) = (0x80, 0xbf)
            return true
        }
        switch byte {
        case 0x00...0x7f: return true
        case 0xc2...0xdf: needed = 1
        case 0xe0: (needed, lower) = (2, 0xa0)
        case 0xed: (needed, upper) = (2, 0x9f)
        case 0xe1...0xef: needed = 2
        case 0xf0: (needed, lower) = (3, 0x90)
        case 0xf1...0xf3: needed = 3
        case 0xf4: (needed, upper) = (3, 0x8f)
        default: return false
        }
        return true
    }
}

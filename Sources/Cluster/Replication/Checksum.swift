/// CRC-32C (Castagnoli, RFC 3720 §12.1) over eight bytes a step.
public enum Checksum {
    /// Eight tables of 256, one after the other: table k gives the effect of a byte that k more bytes follow.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
            tables[byte] = value
        }
        for position in 256..<tables.count {
            let before = tables[position - 256]
            tables[position] = before >> 8 ^ tables[Int(before & 0xff)]
        }
        return tables
    }()

    /// - Parameter before: the checksum of the bytes that lie before these, when they are parts of one whole.
    public static func crc32c(_ bytes: UnsafeRawBufferPointer, following before: UInt32 = 0) -> UInt32 {
        tables.withUnsafeBufferPointer { tables in
            var crc = ~before
            var offset = 0
            while offset + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                let mixed = word ^ UInt64(crc)
                crc = 0
                for position in 0..<8 {
                    crc ^= tables[(7 - position) << 8 | Int(mixed >> UInt64(8 * position) & 0xff)]
                }
                offset += 8
            }
            while offset < bytes.count {
                crc = crc >> 8 ^ tables[Int((crc ^ UInt32(bytes[offset])) & 0xff)]
                offset += 1
            }
            return ~crc
        }
    }
}

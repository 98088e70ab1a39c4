import Identity
import NIOCore

/// Broken forms of valid bytes for tests of decoders: the same ones for a seed.
public struct Mutations {
    private var generator: SeededGenerator

    public init(seed: UInt64) { generator = SeededGenerator(state: seed) }

    /// Flips of bits, cuts, changed, doubled, added and lost bytes, or random bytes altogether.
    public mutating func next(of valid: ByteBuffer) -> ByteBuffer {
        var bytes = Array(valid.readableBytesView)
        guard !bytes.isEmpty, !Bool.oneIn(16, using: &generator) else {
            return ByteBuffer(bytes: (0..<Int.random(in: 0...64, using: &generator)).map { _ in random() })
        }
        for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<7, using: &generator) {
            case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1: bytes.removeSubrange(at...)
            case 2: bytes[at] = random()
            case 3: bytes[at] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
            case 4: bytes.insert(contentsOf: bytes[at...].prefix(8), at: at)
            case 5: bytes.insert(random(), at: at)
            default: bytes.remove(at: at)
            }
        }
        return ByteBuffer(bytes: bytes)
    }

    private mutating func random() -> UInt8 { UInt8.random(in: 0...255, using: &generator) }
}

extension Bool {
    fileprivate static func oneIn(_ count: Int, using generator: inout SeededGenerator) -> Bool {
        Int.random(in: 0..<count, using: &generator) == 0
    }
}

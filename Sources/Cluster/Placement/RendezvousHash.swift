import Identity

/// The weighted rendezvous hash that says which nodes a slot prefers (highest random weight; Thaler and Ravishankar
/// 1998, with the logarithmic weighting of Schindelhauer and Schomaker 2005).
///
/// Only integers and one IEEE division, so that every build on every machine gives the same order. It must never
/// change: a change would move most slots of every cluster. Golden vectors in the tests hold it.
public enum RendezvousHash {
    /// 64-bit FNV-1a of the node's name.
    public static func seed(of node: NodeID) -> UInt64 { fnv1a(node.rawValue.utf8) }

    private static func fnv1a(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes {
            hash ^= UInt64(byte)
            hash &*= 0x0000_0100_0000_01b3
        }
        return hash
    }

    /// A uniform 64-bit hash of slot and node: the seed, stepped by the slot along SplitMix64's sequence and mixed by
    /// its finaliser, twice.
    public static func hash(_ slot: Slot, seed: UInt64) -> UInt64 {
        mix(mix(seed &+ (UInt64(slot.rawValue) &+ 1) &* 0x9e37_79b9_7f4a_7c15))
    }

    /// A uniform 64-bit hash of any key and node: who has the smallest is the key's first choice.
    public static func hash(_ key: String, seed: UInt64) -> UInt64 {
        mix(mix(seed &+ fnv1a(key.utf8) &* 0x9e37_79b9_7f4a_7c15))
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    /// How far the slot is from the node; the smallest is preferred. With weights w, a node is the nearest of a slot
    /// with probability w / Σw: the value is -log2(hash / 2^64) / weight, an exponential variable of rate `weight`.
    ///
    /// - Parameter weight: more than 0.
    public static func distance(_ slot: Slot, seed: UInt64, weight: Int) -> Double {
        Double(negativeLog2(hash(slot, seed: seed))) / Double(weight)
    }

    /// -log2(value / 2^64) in units of 2^-32, by repeated squaring of the mantissa.
    static func negativeLog2(_ value: UInt64) -> UInt64 {
        guard value > 0 else { return 64 << 32 }
        let zeros = value.leadingZeroBitCount
        // The mantissa lies in [1, 2), as 1.63 bits fixed point.
        var mantissa = value << UInt64(zeros)
        var fraction: UInt64 = 0
        for _ in 0..<32 {
            fraction <<= 1
            let square = mantissa.multipliedFullWidth(by: mantissa).high
            if square >> 63 == 1 {
                mantissa = square
                fraction |= 1
            } else {
                mantissa = square << 1
            }
        }
        // log2(value) = 63 - zeros + fraction.
        return (UInt64(zeros) + 1) << 32 - fraction
    }
}

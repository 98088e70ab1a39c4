import Identity
import Testing

@testable import Placement

/// Golden vectors: a change of the hash would move most slots of every cluster.
@Suite struct RendezvousHashTests {
    /// Computed by an independent program.
    @Test(
        arguments: [
            ("a", 0, 12_638_187_200_555_641_996, 1_632_279_324_491_726_550),
            ("guild-1", 0, 6_483_401_789_648_481_202, 7_355_454_860_215_586_155),
            ("guild-1", 1, 6_483_401_789_648_481_202, 5_687_531_542_179_950_976),
            ("guild-1", 1023, 6_483_401_789_648_481_202, 2_024_183_218_675_001_076),
            ("guild-2", 512, 6_483_400_690_136_852_991, 18_301_844_664_198_935_835),
            ("eu-west.rack_7", 77, 6_962_284_995_578_737_468, 3_216_175_454_767_021_303),
        ] as [(String, UInt64, UInt64, UInt64)])
    func staysTheSame(node: String, slot: UInt64, seed: UInt64, hash: UInt64) throws {
        let found = RendezvousHash.seed(of: try #require(NodeID(rawValue: node)))
        #expect(found == seed)
        #expect(RendezvousHash.hash(Slot(truncating: slot), seed: found) == hash)
    }

    @Test func logarithmIsExactAtPowersOfTwoAndFallsBetween() {
        #expect(RendezvousHash.negativeLog2(1 << 63) == 1 << 32)
        #expect(RendezvousHash.negativeLog2(1 << 32) == 32 << 32)
        #expect(RendezvousHash.negativeLog2(1) == 64 << 32)
        #expect(RendezvousHash.negativeLog2(0) == 64 << 32)
        // -log2(3/4) = 0.41503749927884…
        #expect(RendezvousHash.negativeLog2(3 << 62) == 1_782_572_487)
        #expect(RendezvousHash.negativeLog2(.max) <= 1)
    }

    @Test func weightsShareTheSlotsInProportion() {
        let light = RendezvousHash.seed(of: NodeID(rawValue: "light")!)
        let heavy = RendezvousHash.seed(of: NodeID(rawValue: "heavy")!)
        let won = Slot.all.count {
            RendezvousHash.distance($0, seed: heavy, weight: 300)
                < RendezvousHash.distance($0, seed: light, weight: 100)
        }
        // Three quarters of 1,024, within five standard deviations (14 each).
        #expect((698...838).contains(won))
    }
}

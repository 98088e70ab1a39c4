import Simulation
import Testing

@Suite struct SimulationTests {
    @Test func aRunOfOneSeedIsTheSameEachTime() throws {
        var traces: [[String]] = []
        for _ in 0..<2 {
            var lines: [String] = []
            try World(seed: 7) { lines.append($0) }.run()
            traces.append(lines)
        }
        #expect(traces[0].count > 100)
        #expect(traces[0] == traces[1])
    }
}

/// Messages between nodes. Ordered on a connection, which breaks as a whole; in the harsh mode, each for itself.
struct Network {
    let isHarsh: Bool
    private let count: Int
    /// From, to: nothing gets through.
    private var blocked: [Int]
    private var connections: [Int]
    private var isBroken: [Bool]
    private var lastArrival: [Int64]
    var lossyUntil: Int64 = 0

    init(nodes: Int, isHarsh: Bool) {
        count = nodes
        self.isHarsh = isHarsh
        blocked = Array(repeating: 0, count: nodes * nodes)
        connections = Array(repeating: 0, count: nodes * nodes)
        isBroken = Array(repeating: false, count: nodes * nodes)
        lastArrival = Array(repeating: 0, count: nodes * nodes)
    }

    private func place(_ from: Int, _ to: Int) -> Int { from * count + to }

    /// When a message arrives, and on which connection; empty when it does not.
    mutating func send(from: Int, to: Int, now: Int64, _ random: inout SeededRandom) -> [(time: Int64, connection: Int)]
    {
        let way = place(from, to)
        if blocked[way] > 0 {
            // What is lost on the way ends the connection, once it is noticed.
            isBroken[way] = true
            return []
        }
        let isLossy = now < lossyUntil
        var delay = random.span(0.1, 1.5)
        if random.chance(isLossy ? 0.2 : 0.01) { delay += random.span(1, isLossy ? 400 : 60) }
        guard isHarsh else {
            if isBroken[way] { return [] }
            let time = max(lastArrival[way] + 1, now + delay)
            lastArrival[way] = time
            return [(time, connections[way])]
        }
        if random.chance(isLossy ? 0.2 : 0.01) { return [] }
        if random.chance(isLossy ? 0.1 : 0.005) {
            return [(now + delay, 0), (now + delay + random.span(0, 300), 0)]
        }
        return [(now + delay, 0)]
    }

    func arrives(from: Int, to: Int, connection: Int) -> Bool {
        isHarsh || connections[place(from, to)] == connection
    }

    mutating func block(from: Int, to: Int) { blocked[place(from, to)] += 1 }
    mutating func unblock(from: Int, to: Int) { blocked[place(from, to)] -= 1 }

    /// The connection between two nodes ends: what is under way may be lost.
    mutating func breakConnection(_ one: Int, _ other: Int) {
        for way in [place(one, other), place(other, one)] {
            isBroken[way] = true
            connections[way] += 1
        }
    }

    func isBroken(_ one: Int, _ other: Int) -> Bool { isBroken[place(one, other)] || isBroken[place(other, one)] }

    /// - Returns: whether a new connection could be made.
    mutating func connect(_ one: Int, _ other: Int) -> Bool {
        let ways = [place(one, other), place(other, one)]
        guard ways.allSatisfy({ blocked[$0] == 0 }) else { return false }
        for way in ways {
            isBroken[way] = false
            connections[way] += 1
        }
        return true
    }
}

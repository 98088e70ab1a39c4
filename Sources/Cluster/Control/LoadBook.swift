import Identity
import Wire

/// What the slots cost, made from what their primaries report from time to time: a value without I/O.
public struct LoadBook: Sendable {
    /// What a slot costs now.
    public struct Rate: Hashable, Sendable {
        public var requests = 0.0
        /// Seconds of processor time a second.
        public var cpu = 0.0
        public var writtenBytes = 0.0
        public var events = 0.0
        public var storedBytes = 0.0
        public var subscriptions = 0.0

        public init() {}
    }

    private struct Sample {
        var node: NodeID
        var epoch: Epoch
        var load: SlotLoad
        var time: Duration
    }

    /// What counts in a plan beside the slot itself, in mean slots: processor time is what runs out first, and both
    /// kinds of bytes are what a move and a disk feel.
    static let shares: [(share: Double, of: @Sendable (Rate) -> Double)] = [
        (1, { $0.cpu }), (0.25, { $0.writtenBytes }), (0.25, { $0.storedBytes }), (0.25, { $0.events }),
        (0.25, { $0.subscriptions }),
    ]
    /// How much of a measured rate is taken over at each report.
    private static let smoothing = 0.5

    private var samples: [Slot: Sample] = [:]
    private var rates: [Slot: Rate] = [:]
    private var heard: [NodeID: Duration] = [:]

    public init() {}

    /// A node's report.
    public mutating func note(_ status: NodeStatus, of node: NodeID, now: Duration) {
        heard[node] = now
        // Backups report too; what a slot costs is what it costs its primary.
        for slot in status.slots where slot.isServing {
            let sample = Sample(node: node, epoch: slot.epoch, load: slot.load, time: now)
            guard let last = samples.updateValue(sample, forKey: slot.slot), last.node == node, now > last.time,
                slot.load.requests >= last.load.requests, slot.load.cpuNanoseconds >= last.load.cpuNanoseconds,
                slot.load.writtenBytes >= last.load.writtenBytes, slot.load.events >= last.load.events
            else {
                // Counters began anew: what was measured before stays until there are two reports.
                rates[slot.slot, default: Rate()].storedBytes = Double(slot.load.storedBytes)
                rates[slot.slot, default: Rate()].subscriptions = Double(slot.load.subscriptions)
                continue
            }
            take(slot, since: last)
        }
    }

    private mutating func take(_ slot: SlotStatus, since last: Sample) {
        guard let seconds = samples[slot.slot].map({ ($0.time - last.time) / .seconds(1) }) else { return }
        func rate(_ count: (SlotLoad) -> UInt64, _ old: Double) -> Double {
            let measured = Double(count(slot.load) - count(last.load)) / seconds
            return old + (measured - old) * LoadBook.smoothing
        }
        var new = rates[slot.slot] ?? Rate()
        new.requests = rate(\.requests, new.requests)
        new.cpu = rate(\.cpuNanoseconds, new.cpu * 1e9) / 1e9
        new.writtenBytes = rate(\.writtenBytes, new.writtenBytes)
        new.events = rate(\.events, new.events)
        new.storedBytes = Double(slot.load.storedBytes)
        new.subscriptions = Double(slot.load.subscriptions)
        rates[slot.slot] = new
    }

    public func rate(_ slot: Slot) -> Rate { rates[slot] ?? Rate() }

    /// Nodes that have reported since `time`.
    public func heardSince(_ time: Duration) -> Set<NodeID> { Set(heard.filter { $0.value >= time }.keys) }

    public var storedBytes: [Int] { Slot.all.map { Int(rate($0).storedBytes) } }

    /// A weight for each slot in slot order: 1, and its part of each thing that is measured, so that what nobody uses
    /// does not count.
    public func weights() -> [Double] {
        var weights = [Double](repeating: 1, count: Int(Slot.count))
        for (share, value) in LoadBook.shares {
            let values = Slot.all.map { value(rate($0)) }
            let mean = values.reduce(0, +) / Double(values.count)
            guard mean > 0 else { continue }
            for slot in weights.indices { weights[slot] += share * values[slot] / mean }
        }
        return weights
    }
}

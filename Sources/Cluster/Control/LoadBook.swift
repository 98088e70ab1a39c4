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

    /// What counts in a plan beside the slot itself: processor time is what runs out first, and bytes are what a move and
    /// a disk feel. A share is in mean slots, and whole once all slots together come to `full`; below that the noise of
    /// an idle cluster would steer.
    static let shares: [(share: Double, full: Double, of: @Sendable (Rate) -> Double)] = [
        (1, 0.5, { $0.cpu }), (0.25, 1_000_000, { $0.writtenBytes }), (0.25, 1_000_000_000, { $0.storedBytes }),
        (0.25, 5000, { $0.events }), (0.25, 1000, { $0.subscriptions }),
    ]
    /// The most that a slot weighs, in slots of which nothing is known. A heavier one would empty its node of all
    /// others, and not be lighter for it.
    static let heaviest = 12.0
    /// How much of a measured rate is taken over at each report, for those who watch.
    private static let smoothing = 0.5
    /// Over which time rates count in a plan, so that two plans in a row agree.
    private static let planning = 60.0

    private var samples: [Slot: Sample] = [:]
    private var rates: [Slot: Rate] = [:]
    private var longRates: [Slot: Rate] = [:]
    private var heard: [NodeID: Duration] = [:]
    private var guilds: [NodeID: [GuildLoad]] = [:]
    /// As the nodes last told.
    public private(set) var disks: [NodeID: NodeStatus.Disk] = [:]

    public init() {}

    /// A node's report.
    public mutating func note(_ status: NodeStatus, of node: NodeID, now: Duration) {
        heard[node] = now
        disks[node] = status.disk
        guilds[node] = status.guilds
        // Backups report too; what a slot costs is what it costs its primary.
        for slot in status.slots where slot.isServing {
            let sample = Sample(node: node, epoch: slot.epoch, load: slot.load, time: now)
            guard let last = samples.updateValue(sample, forKey: slot.slot), last.node == node, now > last.time,
                slot.load.requests >= last.load.requests, slot.load.cpuNanoseconds >= last.load.cpuNanoseconds,
                slot.load.writtenBytes >= last.load.writtenBytes, slot.load.events >= last.load.events
            else {
                // Counters began anew: what was measured before stays until there are two reports.
                rates[slot.slot, default: Rate()].take(slot.load)
                if longRates[slot.slot] != nil { longRates[slot.slot]?.take(slot.load) }
                continue
            }
            take(slot, since: last)
        }
    }

    private mutating func take(_ slot: SlotStatus, since last: Sample) {
        guard let seconds = samples[slot.slot].map({ ($0.time - last.time) / .seconds(1) }) else { return }
        rates[slot.slot, default: Rate()].follow(slot.load, since: last.load, seconds, LoadBook.smoothing)
        let part = longRates[slot.slot] == nil ? 1 : min(1, seconds / LoadBook.planning)
        longRates[slot.slot, default: Rate()].follow(slot.load, since: last.load, seconds, part)
    }

    public func rate(_ slot: Slot) -> Rate { rates[slot] ?? Rate() }

    /// The guilds that had the most events a second when their primaries told last, those first.
    ///
    /// - Parameter primary: who leads a slot now: what a node told of slots that it leads no more does not count.
    public func hottestGuilds(_ count: Int, primary: (Slot) -> NodeID?) -> [GuildLoad] {
        guilds.flatMap { node, loads in loads.filter { primary($0.guild.snowflake.slot) == node } }
            .sorted { ($0.eventsPerSecond, $1.guild) > ($1.eventsPerSecond, $0.guild) }
            .prefix(count).map(\.self)
    }

    /// Nodes that have reported since `time`.
    public func heardSince(_ time: Duration) -> Set<NodeID> { Set(heard.filter { $0.value >= time }.keys) }

    public var storedBytes: [Int] { Slot.all.map { Int(rate($0).storedBytes) } }

    /// A weight for each slot in slot order: 1, and its part of each thing that is measured.
    public func weights() -> [Double] {
        var weights = [Double](repeating: 1, count: Int(Slot.count))
        for (share, full, value) in LoadBook.shares {
            let values = Slot.all.map { value(longRates[$0] ?? rate($0)) }
            let mean = max(full, values.reduce(0, +)) / Double(values.count)
            for slot in weights.indices { weights[slot] += share * values[slot] / mean }
        }
        return weights.map { min($0, LoadBook.heaviest) }
    }
}

extension LoadBook.Rate {
    /// What does not count up.
    fileprivate mutating func take(_ load: SlotLoad) {
        storedBytes = Double(load.storedBytes)
        subscriptions = Double(load.subscriptions)
    }

    /// Goes a part of the way to what was measured over some seconds.
    fileprivate mutating func follow(_ load: SlotLoad, since last: SlotLoad, _ seconds: Double, _ part: Double) {
        func toward(_ count: (SlotLoad) -> UInt64, _ old: Double, per unit: Double = 1) -> Double {
            old + (Double(count(load) - count(last)) / seconds / unit - old) * part
        }
        requests = toward(\.requests, requests)
        cpu = toward(\.cpuNanoseconds, cpu, per: 1_000_000_000)
        writtenBytes = toward(\.writtenBytes, writtenBytes)
        events = toward(\.events, events)
        take(load)
    }
}

/// What happened in a run, or in many.
public struct Totals: Sendable {
    public var seeds = 0
    public var operations = 0
    public var answered = 0
    public var unknown = 0
    public var faults = 0
    public var failovers = 0
    public var handOvers = 0
    public var truncations = 0
    public var snapshots = 0
    public var moves = 0
    public var leaseLosses = 0
    public var unknownSwaps = 0
    public var lateSwaps = 0
    public var campaigns = 0
    public var crashes = 0
    public var wipes = 0
    public var admissions = 0
    public var repetitions = 0
    public var effects = 0
    public var entries = 0
    public var events = 0
    public var virtualSeconds = 0

    public init() {}

    private static var fields: [(name: String, path: WritableKeyPath<Totals, Int>)] {
        [
            ("seeds", \.seeds), ("operations", \.operations), ("answered", \.answered), ("unknown", \.unknown),
            ("faults", \.faults), ("failovers", \.failovers), ("handOvers", \.handOvers),
            ("truncations", \.truncations),
            ("snapshots", \.snapshots), ("moves", \.moves), ("leaseLosses", \.leaseLosses),
            ("unknownSwaps", \.unknownSwaps), ("lateSwaps", \.lateSwaps), ("campaigns", \.campaigns),
            ("crashes", \.crashes), ("wipes", \.wipes), ("admissions", \.admissions), ("repetitions", \.repetitions),
            ("effects", \.effects), ("entries", \.entries), ("events", \.events), ("virtualSeconds", \.virtualSeconds),
        ]
    }

    public mutating func add(_ other: Totals) {
        for (_, path) in Totals.fields { self[keyPath: path] += other[keyPath: path] }
    }

    public var named: [(name: String, value: Int)] { Totals.fields.map { ($0.name, self[keyPath: $0.path]) } }

    /// What a run of many seeds must have seen; the names of what it has not.
    public var missing: [String] {
        let needed: [(String, Int)] = [
            ("failovers", failovers), ("truncations", truncations), ("snapshots", snapshots), ("moves", moves),
            ("leaseLosses", leaseLosses), ("unknownSwaps", unknownSwaps),
        ]
        return needed.filter { $0.1 == 0 }.map(\.0)
    }
}

/// A broken invariant.
public struct Violation: Error, Sendable, CustomStringConvertible {
    public var invariant: String
    public var detail: String
    /// Virtual time, in seconds.
    public var time: Double

    public var description: String { "\(invariant) at \(time) s: \(detail)" }
}

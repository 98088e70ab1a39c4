/// The bodies of the part of the operators' API that changes the cluster's shape (docs/admin-api.md).
struct SettingsAnswer: Codable, Sendable {
    /// 0: by the number of nodes; likewise ``minimum``.
    var replicationFactor: Int
    var minimum: Int
    /// 0: never.
    var repairAfterSeconds: Int
}

struct SettingsChange: Codable, Sendable {
    var replicationFactor: Int?
    var minimum: Int?
    var repairAfterSeconds: Int?
}

struct JobAnswer: Codable, Sendable {
    var id: String
    /// running, aborting, done or aborted.
    var state: String
    var created: String
    var finished: String?
    var concurrency: Int
    var bandwidth: Int
    var moves: Int
    var settled: Int
    var dropped: Int
    var reset: Int
    var left: Int
    var bytes: Int
    var settledBytes: Int

    var isOver: Bool { state == "done" || state == "aborted" }
}

struct ReplicationAnswer: Codable, Sendable {
    var settings: SettingsAnswer
    var replicationFactor: Int
    var minimum: Int
    var guildNodes: Int
    /// What may be lost without harm, in words.
    var survives: String
    var draining: [String]
    var removed: [String]
    var controller: String?
    var coordinatorLatencyMs: Double
    var belowMinimum: [Int]
    var belowReplicationFactor: Int
    var learners: Int
    var moving: Int
    /// Guild nodes that take no writes for want of space; absent from older routers.
    var diskFull: [String]?
    var rebalance: JobAnswer?

    /// Every slot has its copies, and nothing is under way.
    var isWhole: Bool { belowMinimum.isEmpty && belowReplicationFactor == 0 && learners == 0 && moving == 0 }
}

struct PlanAnswer: Codable, Sendable {
    struct Move: Codable, Sendable {
        var slot: Int
        var from: [String]
        var to: [String]
    }
    struct Share: Codable, Sendable {
        var primaries: Int
        var replicas: Int
        var load: Double
        var storedBytes: Int
    }
    struct Node: Codable, Sendable {
        var id: String
        var before: Share
        var after: Share
    }
    var measure: String
    var bytes: Int
    var expectedSeconds: Double
    var moves: [Move]
    var nodes: [Node]
}

struct RebalanceRequest: Codable, Sendable {
    struct Move: Codable, Sendable {
        var slot: Int
        var to: [String]
    }
    var measure: String?
    var bound: Double?
    var concurrency: Int?
    var bandwidth: Int?
    var moves: [Move]?
}

struct RecoveryAnswer: Codable, Sendable {
    var slot: Int
    var node: String
    /// The node holds all that was acknowledged.
    var isComplete: Bool
    var gone: [String]
    var alive: [String]
    var epoch: UInt64
}

struct RecoveryRequest: Codable, Sendable {
    var node: String
    var acceptLoss: Bool
}

struct Destination: Codable, Sendable { var node: String }

struct TopAnswer: Codable, Sendable {
    struct Slot: Codable, Sendable {
        var slot: Int
        var node: String?
        /// Seconds of processor time a second; the others are a second's as well, but for the last two.
        var cpu: Double
        var requests: Double
        var events: Double
        var writtenBytes: Double
        var storedBytes: Double
        var subscriptions: Double
    }
    struct Guild: Codable, Sendable {
        var guild: String
        var slot: Int
        var node: String?
        /// A second, as are the bytes of the entries that held them.
        var events: Double
        var writtenBytes: Double
        /// Gateways that have members of it.
        var subscriptions: Int
    }
    var slots: [Slot]
    /// Absent from older routers.
    var guilds: [Guild]?
}

/// The bodies of the operators' API (docs/admin-api.md). Names are the JSON's, in camel case.
struct ClusterAnswer: Codable, Sendable {
    struct Slots: Codable, Sendable {
        var total: Int
        var assigned: Int
        var primaryRegistered: Int
        var underReplicated: Int
    }

    var clusterId: String
    var isTest: Bool
    var dataFormat: Int
    var version: String
    var isReady: Bool
    var waitingFor: [String]?
    var slots: Slots
    /// Processes by role.
    var nodes: [String: Int]
    var clockOffsetMs: Int64
    var now: String
}

struct NodesAnswer: Codable, Sendable {
    struct Node: Codable, Sendable {
        var id: String
        var roles: [String]
        var host: String
        var port: Int
        var healthPort: Int
        var machine: String
        var zone: String
        var weight: Int
        var clientUrl: String
        var store: String
        var pid: Int32
        var version: String
        var startedAt: String
        var isDraining: Bool
        var primarySlots: Int
        var replicaSlots: Int
        /// Absent from older routers, as are the bytes of a guild node's disk.
        var isDiskFull: Bool?
        var diskUsed: UInt64?
        var diskAvailable: UInt64?

        /// How full the disk is, in words.
        var disk: String {
            guard let diskUsed, let diskAvailable, diskUsed + diskAvailable > 0 else { return "-" }
            return "\(Int(Double(diskUsed) / Double(diskUsed + diskAvailable) * 100)) %"
        }

        var state: String { isDraining ? "draining" : isDiskFull == true ? "disk full" : "up" }
    }

    var nodes: [Node]
}

struct ShardsAnswer: Codable, Sendable {
    struct Shard: Codable, Sendable {
        var slot: Int
        var epoch: UInt64
        var primary: String
        var inSync: [String]
        var eligible: [String]
        var learners: [String]
        var isPinned: Bool
        /// Absent from a router of the first version, as is ``target``.
        var minimum: Int?
        /// Where the slot is to go; empty when it stays.
        var target: [String]?

        /// All nodes that hold the slot, the primary first.
        var holders: [String] {
            (inSync + eligible + learners).reduce(into: [primary]) { if !$0.contains($1) { $0.append($1) } }
        }
    }

    var shards: [Shard]
}

struct EntityAnswer: Codable, Sendable {
    struct Node: Codable, Sendable {
        var id: String
        var host: String
        var port: Int
        var isRegistered: Bool
    }

    var id: String
    var slot: Int
    var createdAt: String
    var epoch: UInt64
    var primary: String
    var inSync: [String]
    /// Absent when the primary is not registered and its address therefore unknown.
    var node: Node?
}

struct NewUser: Codable, Sendable {
    var username: String
    var email: String
    var password: String
}

struct UserAnswer: Codable, Sendable {
    var id: String
    var username: String
    var email: String
    var token: String
}

struct NewBot: Codable, Sendable {
    var name: String
    var ownerId: String?
}

struct BotAnswer: Codable, Sendable {
    var id: String
    var applicationId: String
    var username: String
    var token: String
}

struct BotPermissions: Codable, Sendable {
    var permissions: String
}

struct BackupStep: Codable, Sendable {
    var step: String
    var slot: Int
    var location: String
    var backupId: String
    var parentId: String?
    var checksum: String?
    var bytesPerSecond: Int?
}

struct VerificationOrder: Codable, Sendable {
    var slot: Int
    var bytesPerSecond: Int
}

struct VerificationAnswer: Codable, Sendable {
    struct Sum: Codable, Sendable {
        var node: String
        var rows: Int
        var bytes: Int
        var checksum: String
    }

    struct Difference: Codable, Sendable {
        var family: String
        var from: String
        var upTo: String?
        var sums: [Sum]
    }

    var slot: Int
    var outcome: String
    var reason: String?
    var holders: [String]
    var index: UInt64
    var ranges: Int
    var rows: Int
    var bytes: Int
    var differences: [Difference]
}

struct BackupStepAnswer: Codable, Sendable {
    var isDone: Bool
    var bytes: Int
    var records: Int
    var detail: String
}

struct ClockOffset: Codable, Sendable {
    var offsetMs: Int64
}

struct ClockAnswer: Codable, Sendable {
    var offsetMs: Int64
    var now: String
}

/// Discord's form of an error, of which the reader gets the message and the reasons by field.
struct ErrorAnswer: Decodable, Sendable {
    var message: String
}

import Identity
import Placement
import Wire

/// The answers of the operators' API, as docs/admin-api.md writes them; names become snake_case.
enum AdminAnswers {
    struct Cluster: Encodable {
        struct Slots: Encodable {
            var total: Int
            var assigned: Int
            var primaryRegistered: Int
            var underReplicated: Int
        }
        var clusterId: String
        var isTest: Bool
        var dataFormat: UInt64
        var version: String
        var isReady: Bool
        var waitingFor: [String]?
        var slots: Slots
        var nodes: [String: Int]
        var clockOffsetMs: Int64
        var now: String
    }

    struct Node: Encodable {
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
        var pid: Int
        var version: String
        var startedAt: String
        var isDraining: Bool
        var primarySlots: Int
        var replicaSlots: Int
        var isDiskFull: Bool
        /// Of a guild node's disk, in bytes; absent until it has told.
        var diskUsed: UInt64?
        var diskAvailable: UInt64?

        init(_ node: NodeRecord, rows: [ShardMapRow], disk: NodeStatus.Disk?) {
            isDiskFull = node.isDiskFull
            diskUsed = disk?.used
            diskAvailable = disk?.available
            id = node.id.rawValue
            roles = node.roles.map(\.description)
            host = node.host
            port = node.port
            healthPort = node.healthPort
            machine = node.machine
            zone = node.zone
            weight = node.weight
            clientUrl = node.clientURL
            store = node.store
            pid = node.pid
            version = node.version
            startedAt = node.startedAt.description
            isDraining = node.isDraining
            primarySlots = rows.count { $0.primary == node.id }
            replicaSlots = rows.count {
                $0.primary != node.id && ($0.inSync + $0.eligible + $0.learners).contains(node.id)
            }
        }
    }

    struct Shard: Encodable {
        var slot: UInt16
        var epoch: UInt64
        var primary: String
        var inSync: [String]
        var eligible: [String]
        var learners: [String]
        var isPinned: Bool
        var minimum: Int
        var target: [String]

        init(_ row: ShardMapRow) {
            slot = row.slot.rawValue
            epoch = row.epoch.rawValue
            primary = row.primary.rawValue
            inSync = row.inSync.map(\.rawValue)
            eligible = row.eligible.map(\.rawValue)
            learners = row.learners.map(\.rawValue)
            isPinned = row.isPinned
            minimum = row.minimum
            target = row.target.map(\.rawValue)
        }
    }

    struct Entity: Encodable {
        struct Place: Encodable {
            var id: String
            var host: String
            var port: Int
            var isRegistered: Bool
        }
        var id: String
        var slot: UInt16
        var createdAt: String
        var epoch: UInt64
        var primary: String
        var inSync: [String]
        var node: Place

        init(_ id: Snowflake, _ row: ShardMapRow, _ node: NodeRecord?) {
            self.id = id.description
            slot = id.slot.rawValue
            createdAt = id.timestamp.description
            epoch = row.epoch.rawValue
            primary = row.primary.rawValue
            inSync = row.inSync.map(\.rawValue)
            self.node = Place(
                id: row.primary.rawValue, host: node?.host ?? "", port: node?.port ?? 0, isRegistered: node != nil)
        }
    }

    struct Clock: Codable {
        var offsetMs: Int64
        var now: String?
    }

    struct Level: Codable {
        var level: String
    }
}

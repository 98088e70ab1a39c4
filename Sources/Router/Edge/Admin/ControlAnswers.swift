import Control
import Identity
import Placement
import Wire

/// Answers of the part of the operators' API that changes the cluster's shape.
enum ControlAnswers {
    struct Settings: Encodable {
        var replicationFactor: Int
        var minimum: Int
        var repairAfterSeconds: Int64

        init(_ settings: ClusterSettings) {
            replicationFactor = settings.replicationFactor
            minimum = settings.minimum
            repairAfterSeconds = settings.repairDelay.components.seconds
        }
    }

    struct SettingsChange: Decodable {
        var replicationFactor: Int?
        var minimum: Int?
        var repairAfterSeconds: Int?
    }

    struct Replication: Encodable {
        var settings: Settings
        var replicationFactor: Int
        var minimum: Int
        var guildNodes: Int
        var survives: String
        var draining: [String]
        var removed: [String]
        var controller: String?
        var coordinatorLatencyMs: Double
        var belowMinimum: [UInt16]
        var belowReplicationFactor: Int
        var learners: Int
        var moving: Int
        var diskFull: [String]
        var rebalance: Job?

        init(_ overview: ClusterControl.Overview) {
            settings = Settings(overview.settings)
            replicationFactor = overview.factor
            minimum = overview.minimum
            guildNodes = overview.guildNodes
            survives = overview.survives
            draining = overview.departures.draining.sorted().map(\.rawValue)
            removed = overview.departures.removed.sorted().map(\.rawValue)
            controller = overview.controller
            coordinatorLatencyMs = overview.coordinatorLatency / .milliseconds(1)
            belowMinimum = overview.belowMinimum.map(\.rawValue)
            belowReplicationFactor = overview.belowFactor
            learners = overview.learners
            moving = overview.moving
            diskFull = overview.diskFull.map(\.rawValue)
            rebalance = overview.job.map(Job.init)
        }
    }

    struct Job: Encodable {
        var id: String
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

        init(_ job: RebalanceJob) {
            id = String(job.id)
            state = "\(job.state)"
            created = job.created.description
            finished = job.finished?.description
            concurrency = job.concurrency
            bandwidth = job.bandwidth
            moves = job.total
            settled = job.settled
            dropped = job.dropped
            reset = job.reset
            left = job.moves.count
            bytes = job.totalBytes
            settledBytes = job.settledBytes
        }
    }

    struct Plan: Encodable {
        struct Move: Encodable {
            var slot: UInt16
            var from: [String]
            var to: [String]
        }
        struct Share: Encodable {
            var primaries: Int
            var replicas: Int
            var load: Double
            var storedBytes: Int

            init(_ share: RebalancePlan.Share) {
                primaries = share.primaries
                replicas = share.replicas
                load = share.load
                storedBytes = share.storedBytes
            }
        }
        struct Node: Encodable {
            var id: String
            var before: Share
            var after: Share
        }
        var measure: String
        var bytes: Int
        var expectedSeconds: Double
        var moves: [Move]
        var nodes: [Node]

        init(_ plan: RebalancePlan, _ request: PlanRequest) {
            measure = request.measure.rawValue
            bytes = plan.bytes
            expectedSeconds = plan.expectedSeconds(concurrency: request.concurrency, bandwidth: request.bandwidth)
            moves = plan.moves.map {
                Move(slot: $0.slot.rawValue, from: $0.from.map(\.rawValue), to: $0.to.map(\.rawValue))
            }
            nodes = plan.balance.map {
                Node(id: $0.node.rawValue, before: Share($0.before), after: Share($0.after))
            }
        }
    }

    /// How a rebalance is to be planned and done.
    struct PlanRequest {
        var measure = RebalancePlan.Measure.load
        var bound = 1.05
        var concurrency = RebalanceJob.usualConcurrency
        var bandwidth = 0
    }

    struct RebalanceRequest: Decodable {
        struct Move: Decodable {
            var slot: UInt16
            var to: [String]
        }
        var measure: String?
        var bound: Double?
        var concurrency: Int?
        var bandwidth: Int?
        /// Instead of what a plan says.
        var moves: [Move]?
    }

    struct Recovery: Encodable {
        var slot: UInt16
        var node: String
        var isComplete: Bool
        var gone: [String]
        var alive: [String]
        var epoch: UInt64

        init(_ recovery: ClusterControl.Recovery) {
            slot = recovery.row.slot.rawValue
            node = recovery.node.rawValue
            isComplete = recovery.isComplete
            gone = recovery.gone.map(\.rawValue)
            alive = recovery.alive.map(\.rawValue)
            epoch = recovery.row.epoch.rawValue
        }
    }

    struct RecoveryRequest: Decodable {
        var node: String
        var acceptLoss: Bool
    }

    struct Finalized: Encodable {
        var version: String
        var dataFormat: UInt64
    }

    struct Destination: Decodable { var node: String }

    struct Top: Encodable {
        var slots: [Hot]
        var guilds: [HotGuild]
    }

    struct HotGuild: Encodable {
        var guild: String
        var slot: UInt16
        var node: String?
        var events: Double
        var writtenBytes: Double
        var subscriptions: Int

        init(_ load: GuildLoad, _ node: NodeID?) {
            guild = load.guild.description
            slot = load.guild.snowflake.slot.rawValue
            self.node = node?.rawValue
            events = load.eventsPerSecond
            writtenBytes = load.writtenBytesPerSecond
            subscriptions = Int(load.subscriptions)
        }
    }

    struct Hot: Encodable {
        var slot: UInt16
        var node: String?
        var cpu: Double
        var requests: Double
        var events: Double
        var writtenBytes: Double
        var storedBytes: Double
        var subscriptions: Double

        init(_ slot: Slot, _ node: NodeID?, _ rate: LoadBook.Rate) {
            self.slot = slot.rawValue
            self.node = node?.rawValue
            cpu = rate.cpu
            requests = rate.requests
            events = rate.events
            writtenBytes = rate.writtenBytes
            storedBytes = rate.storedBytes
            subscriptions = rate.subscriptions
        }
    }
}

import Identity
import NIOCore
import Placement
import Replication
import Wire

@testable import Coordination
@testable import Routing

extension StoredValue {
    static let node = NodeID(rawValue: "guild-1")!
    static let slot = Slot(truncating: 517)
    static let time = Timestamp(milliseconds: 1_700_000_000_123)
    static let userID = UserID(rawValue: 0x1112_1314_1516_1718)
    static let guildID = GuildID(rawValue: 0x0102_0304_0506_0708)
    static let channelID = ChannelID(rawValue: 0x2122_2324_2526_2728)
    static let messageID = MessageID(rawValue: 0x4142_4344_4546_4748)
    static let roleID = RoleID(rawValue: 0x3132_3334_3536_3738)
    static let number = EventNumber(index: LogIndex(rawValue: 300), ordinal: 2)
    static let profile = UserProfile(
        id: userID, username: "ann", globalName: "Ann", avatar: "a1", isBot: true, publicFlags: 64, version: 3)
    static let clusterID = ClusterID(verified: String(repeating: "0af1", count: 8))
    static let entry = CoordinatorEntry(key: "slots/0517", value: ByteBuffer(string: "row"), revision: 41)

    static var coordination: [StoredValue] {
        let lease = CoordinatorLease(id: 77, duration: .seconds(10))
        return [
            StoredValue("CoordinatorRequest.get", CoordinatorRequest.get("cluster")),
            StoredValue("CoordinatorRequest.list", CoordinatorRequest.list(prefix: "nodes/")),
            StoredValue(
                "CoordinatorRequest.commit",
                CoordinatorRequest.commit(
                    CoordinatorTransaction(
                        conditions: [.absent("a"), .revision("b", 7)],
                        operations: [
                            .put("a", ByteBuffer(string: "1"), lease: lease), .put("c", ByteBuffer(), lease: nil),
                            .delete("b"),
                        ]))),
            StoredValue("CoordinatorRequest.grantLease", CoordinatorRequest.grantLease(.seconds(10))),
            StoredValue("CoordinatorRequest.keepAlive", CoordinatorRequest.keepAlive(lease: 77)),
            StoredValue("CoordinatorRequest.revoke", CoordinatorRequest.revoke(lease: 77)),
            StoredValue("CoordinatorReply.entry", CoordinatorReply.entry(entry)),
            StoredValue("CoordinatorReply.noEntry", CoordinatorReply.entry(nil)),
            StoredValue(
                "CoordinatorReply.listing",
                CoordinatorReply.listing(CoordinatorListing(entries: [entry], revision: 42))),
            StoredValue("CoordinatorReply.committed", CoordinatorReply.committed(43)),
            StoredValue("CoordinatorReply.notCommitted", CoordinatorReply.committed(nil)),
            StoredValue("CoordinatorReply.lease", CoordinatorReply.lease(lease)),
            StoredValue("CoordinatorReply.done", CoordinatorReply.done),
            StoredValue("CoordinatorReply.unavailable", CoordinatorReply.failed(.unavailable("starting"))),
            StoredValue("CoordinatorReply.leaseExpired", CoordinatorReply.failed(.leaseExpired)),
            StoredValue("CoordinatorReply.compacted", CoordinatorReply.failed(.compacted)),
            StoredValue("CoordinatorReply.invalid", CoordinatorReply.failed(.invalid("no"))),
            StoredValue("CoordinatorWatchRequest", CoordinatorWatchRequest(prefix: "", after: 42)),
            StoredValue(
                "CoordinatorWatchItem.change",
                CoordinatorWatchItem.change(
                    CoordinatorChange(key: "nodes/guild-1", value: ByteBuffer(string: "record"), revision: 44))),
            StoredValue(
                "CoordinatorWatchItem.deletion",
                CoordinatorWatchItem.change(CoordinatorChange(key: "nodes/guild-1", value: nil, revision: 45))),
            StoredValue("CoordinatorWatchItem.failed", CoordinatorWatchItem.failed(.compacted)),
            StoredValue(
                "CoordinatorRecord.commit",
                CoordinatorRecord.commit(
                    revision: 46,
                    [
                        CoordinatorRecord.Change(key: "a", value: ByteBuffer(string: "1"), lease: 77),
                        CoordinatorRecord.Change(key: "b", value: nil, lease: nil),
                    ])),
            StoredValue("CoordinatorRecord.grant", CoordinatorRecord.grant(lease: 77, .seconds(10))),
            StoredValue("CoordinatorRecord.end", CoordinatorRecord.end(lease: 77, revision: 47)),
        ]
    }

    static var cluster: [StoredValue] {
        let record = NodeRecord(
            id: node, roles: [.guild, .gateway], host: "10.0.0.1", port: 7_000, healthPort: 7_001, machine: "one",
            zone: "a", weight: 250, socketPath: "/run/gateway.sock", clientURL: "ws://10.0.0.1:7002", store: "s1",
            pid: 4_711, version: "0.1", startedAt: time, isDraining: true)
        return [
            // As a process of the first version says it.
            StoredValue("NodeRecord", record.asOfFirstVersion),
            StoredValue(
                "ShardMapRow",
                ShardMapRow(
                    slot: slot, epoch: Epoch(rawValue: 7), primary: node, inSync: [node, NodeID(rawValue: "guild-2")!],
                    eligible: [NodeID(rawValue: "guild-3")!], learners: [NodeID(rawValue: "guild-4")!],
                    isPinned: true)),
            StoredValue(
                "ClusterRecord",
                ClusterRecord(
                    id: clusterID, tokenSecretBytes: (0..<32).map { UInt8($0) }, isTest: true, dataFormat: 1,
                    createdAt: time)),
            StoredValue(
                "NodeStatus",
                NodeStatus(
                    slots: [
                        SlotStatus(
                            slot: slot, epoch: Epoch(rawValue: 7), isServing: true, lastIndex: LogIndex(rawValue: 301),
                            appliedIndex: LogIndex(rawValue: 300), pendingCommands: 3)
                    ], logQueueBytes: 1_024)),
            StoredValue(
                "OutboxDelivery",
                OutboxDelivery(source: slot, incarnation: 99, first: 5, effects: [ByteBuffer(string: "effect")])),
            StoredValue("OutboxAcknowledgement", OutboxAcknowledgement(through: 6)),
        ]
    }
}

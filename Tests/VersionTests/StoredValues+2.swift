import Identity
import NIOCore
import Placement
import Replication
import Routing
import Wire

@testable import Gateway
@testable import Storage

/// What came with the second version.
extension StoredValue {
    static var all: [StoredValue] { common + ofSecondVersion }

    static var ofSecondVersion: [StoredValue] {
        let other = NodeID(rawValue: "guild-2")!
        let epoch = Epoch(rawValue: 7)
        let index = LogIndex(rawValue: 300)
        let position = LogPosition(epoch: epoch, index: index)
        func reply(_ result: AppendReply.Result) -> ReplicationMessage {
            .appendReply(
                AppendReply(slot: slot, epoch: epoch, result: result, life: 0xabcdef, isBlank: true, commitIndex: index)
            )
        }
        var full = NodeRecord(id: node, roles: [.guild], host: "h", port: 1, startedAt: time)
        full.isDiskFull = true
        full.heldSlots = 12
        var row = ShardMapRow(slot: slot, epoch: epoch, primary: node, inSync: [node, other], minimum: 2)
        row.home = other
        let head = SlotSnapshot.Head(
            slot: slot, applied: .init(epoch: epoch, index: index, idMark: Snowflake(rawValue: 5)))
        var status = NodeStatus(slots: [], logQueueBytes: 0)
        status.guilds = [
            GuildLoad(
                guild: GuildID(rawValue: 5), milliseconds: 5_012, events: 40, writtenBytes: 9_000, subscriptions: 2)
        ]
        return [
            StoredValue("2.NodeStatus", status),
            StoredValue("2.NodeRecord", NodeRecord(id: node, roles: [.guild], host: "h", port: 1, startedAt: time)),
            StoredValue(
                "2.ShardMapRow",
                ShardMapRow(
                    slot: slot, epoch: epoch, primary: node, inSync: [node, other], minimum: 2, target: [other, node])),
            StoredValue(
                "2.ReplicationMessage.append",
                ReplicationMessage.append(
                    AppendMessage(
                        slot: slot, epoch: epoch, previous: position, commitIndex: index,
                        entries: [ByteBuffer(string: "entry")]))),
            StoredValue("2.ReplicationMessage.durable", reply(.durable(through: index))),
            StoredValue("2.ReplicationMessage.mismatch", reply(.mismatch(hint: position))),
            StoredValue("2.ReplicationMessage.older", reply(.older(than: epoch))),
            StoredValue("2.ReplicationMessage.blank", reply(.blank)),
            StoredValue(
                "2.ReplicationMessage.beacon",
                ReplicationMessage.beacon(
                    PeerLiveness.Beacon(life: 0xabcdef, sequence: 9, claims: [.init(slot: slot, epoch: epoch)]))),
            StoredValue(
                "2.ReplicationMessage.beaconReply",
                ReplicationMessage.beaconReply(
                    PeerLiveness.BeaconReply(life: 0xabcdef, sequence: 9, refused: [slot], clock: time))),
            StoredValue("2.ReplicationMessage.handOver", ReplicationMessage.handOver(slot: slot, epoch: epoch)),
            StoredValue(
                "2.ReplicationMessage.admission",
                ReplicationMessage.admission(slot: slot, epoch: epoch, life: 0xabcdef)),
            StoredValue("2.SlotSnapshot.Head", head),
            StoredValue(
                "2.SlotSnapshot.Part",
                SlotSnapshot.Part(number: 1, family: "message", size: 4_096, checksum: 0xdead_beef, rows: 12)),
            StoredValue(
                "2.LogNote", encoded: { LogNote.value(7) }, recoded: { LogNote.value(LogNote.number($0) ?? 0) }),
            StoredValue("2.NodeRecord.full", full),
            StoredValue("2.ShardMapRow.home", row),
            StoredValue("2.InstalledSnapshot", InstalledSnapshot(head: head, rows: ByteBuffer(string: "rows"))),
            StoredValue(
                "2.NodeInventory",
                NodeInventory(
                    cluster: "c", store: "s",
                    slots: [
                        SlotInventory(
                            slot: slot, knownEpoch: epoch, row: row, lastEpoch: epoch, lastIndex: index, damage: "d")
                    ])),
        ]
    }
}

import Identity
import Replication

extension SlotExecutor {
    func sendSnapshot(of replica: SlotReplica, to id: NodeID) {
        replica.core.snapshotFailed(to: id, now: .now())
    }
}

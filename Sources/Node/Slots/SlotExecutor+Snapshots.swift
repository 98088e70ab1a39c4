import Identity
import Logging
import NIOCore
import Placement
import Replication
import Storage
import Transport

/// Snapshots of slots to learners whose log ends below where this one begins, and from primaries.
extension SlotExecutor {
    // MARK: Out

    func sendSnapshot(of replica: SlotReplica, to id: NodeID) {
        snapshotsToSend.append((replica.slot, id))
        sendNextSnapshot()
    }

    /// One at a time: each executor of each node sends one, at most.
    private func sendNextSnapshot() {
        guard !isSendingSnapshot, !isClosed, let (slot, id) = snapshotsToSend.popFirst() else { return }
        guard let replica = replicas[slot], replica.core.isPrimary else { return sendNextSnapshot() }
        guard let client = environment.client, let record = view.node(id) else {
            replica.core.snapshotFailed(to: id, now: .now())
            return sendNextSnapshot()
        }
        isSendingSnapshot = true
        let sender = SnapshotSender(
            slot: slot, epoch: replica.core.primaryEpoch,
            address: NodeAddress(node: id, host: record.host, port: record.port), client: client,
            store: environment.store, disks: environment.movers, limits: environment.limits)
        environment.logger.info("sending a snapshot", metadata: ["slot": "\(slot)", "to": "\(id)"])
        let bound = NIOLoopBound(self, eventLoop: loop)
        let loop = loop
        Task {
            let result: Result<StateStore.Applied, any Error>
            do { result = .success(try await sender.run()) } catch { result = .failure(error) }
            loop.execute { bound.value.snapshotEnded(slot, id, result) }
        }
    }

    private func snapshotEnded(_ slot: Slot, _ id: NodeID, _ result: Result<StateStore.Applied, any Error>) {
        isSendingSnapshot = false
        guard !isClosed else { return }
        if let replica = replicas[slot] {
            let now = BootTime.now()
            switch result {
            case .success(let applied):
                let position = LogPosition(epoch: applied.epoch, index: applied.index)
                replica.core.snapshotSent(to: id, at: position, now: now)
            case .failure(let failure):
                environment.logger.info(
                    "a snapshot is not sent",
                    metadata: ["slot": "\(slot)", "to": "\(id)", "reason": "\(failure)"])
                replica.core.snapshotFailed(to: id, now: now)
                if let failure = failure as? StorageFailure, case .corruptReplica = failure {
                    takeOut(replica, "\(failure)")
                }
            }
            carryOut(replica, now: now)
        }
        sendNextSnapshot()
    }

    // MARK: In

    func takesSnapshot(_ offer: SnapshotOffer, from id: NodeID) -> Bool {
        let applied = offer.head.applied
        let position = LogPosition(epoch: applied.epoch, index: applied.index)
        return replicas[offer.head.slot]?.core.takesSnapshot(from: id, epoch: offer.epoch, at: position) ?? false
    }

    /// From now on nothing of the slot is used here. What is on its way to the log comes before its being cleared.
    func beginInstalling(_ offer: SnapshotOffer, from id: NodeID) -> Bool {
        let slot = offer.head.slot
        guard takesSnapshot(offer, from: id), let replica = replicas[slot] else { return false }
        replica.core.installing()
        handOver()
        remove(replica)
        knownEpochs[slot] = nil
        absences[slot] = .installing
        return true
    }

    /// The slot's disk holds the snapshot, or nothing: the replica begins anew with that.
    func endInstalling(_ slot: Slot) {
        guard !isClosed, absences[slot] == .installing else { return }
        absences[slot] = nil
        arrange(slot)
    }
}

import Identity
import Replication
import Wire

extension SlotExecutor {
    /// Forgets old events and reports sizes.
    func tidy(now: Timestamp) -> ExecutorReport {
        var report = ExecutorReport()
        let subscriptions = hub.subscriptions()
        let wantedMinimum = wantedMinimum()
        expireEvents(now: now)
        for replica in replicas.values {
            let core = replica.core
            report.ringEvents += replica.ring.count
            report.ringBytes += replica.ring.bytes
            report.pendingCommands += replica.runtime?.pendingCount ?? 0
            let isServing = replica.runtime?.isServing ?? false
            if isServing { report.serving += 1 }
            report.applied[replica.slot] = core.appliedIndex
            report.trimLimits[replica.slot] = core.trimLimit
            replica.core.wantedMinimum = wantedMinimum
            var status = SlotStatus(
                slot: replica.slot, epoch: core.isPrimary ? core.primaryEpoch : core.epoch, isServing: isServing,
                lastIndex: core.log.last.index, appliedIndex: core.appliedIndex,
                pendingCommands: replica.runtime?.pendingCount ?? 0, role: core.role.status,
                commitIndex: core.commitIndex, inSync: core.row?.inSync.map(\.rawValue) ?? [],
                lags: core.lags.map { SlotStatus.Lag(node: $0.node.rawValue, entries: $0.entries) })
            status.load = replica.load
            status.load.subscriptions = UInt64(subscriptions[replica.slot, default: 0])
            report.slots.append(status)
        }
        report.guilds = guildActivity.hottest(subscriptions: { hub.subscriptions(to: .guild($0)) }, now: .now())
        return report
    }

    /// Forgets events by their age, and younger ones too when all rings together take too much.
    private func expireEvents(now: Timestamp) {
        let limits = environment.limits
        for replica in replicas.values {
            replica.ring.expire(now: now, age: replica.core.isPrimary ? limits.ringAge : limits.backupRingAge)
        }
        while true {
            let bytes = replicas.values.reduce(0) { $0 + $1.ring.bytes }
            guard bytes > limits.ringBytesOfExecutor,
                let begin = replicas.values.compactMap(\.ring.begin).min(), begin < now
            else { return }
            // If events came at a steady rate, the part of the time that leaves the part of the bytes; if not, once more.
            let part = Double(limits.ringBytesOfExecutor) / Double(bytes)
            let age = Duration.milliseconds(Int64(Double(now.milliseconds - begin.milliseconds) * part))
            for replica in replicas.values { replica.ring.expire(now: now, age: age) }
        }
    }

    /// An operator's word counts for more than the usual.
    private func wantedMinimum() -> Int {
        let asked = view.clusterSettings.minimum
        return asked > 0 ? asked : environment.limits.wantedMinimum
    }

    func trimmed(_ indexes: [Slot: LogIndex]) {
        for (slot, index) in indexes { replicas[slot]?.core.trimmed(through: index) }
    }
}

extension ReplicaSlot.Role {
    var status: SlotStatus.Role {
        switch self {
        case .none: .none
        case .learner: .learner
        case .backup: .backup
        case .primary: .primary
        }
    }
}

/// What an executor holds at a moment.
struct ExecutorReport: Sendable {
    var ringEvents = 0
    var ringBytes = 0
    var pendingCommands = 0
    var serving = 0
    var applied: [Slot: LogIndex] = [:]
    /// Through which entry the followers let the log be trimmed.
    var trimLimits: [Slot: LogIndex] = [:]
    var slots: [SlotStatus] = []
    var guilds: [GuildLoad] = []
}

import Foundation
import Identity

/// A guild node's data folder: its identity, the `log` and the `state`.
public struct Store: Sendable {
    public let identity: StoreIdentity
    public let log: LogStore
    public let state: StateStore
    /// Slots whose data were half installed or half deleted when the process before this one ended: they are empty now.
    public let wiped: [Slot]
    /// Slots that were found corrupt, and marked so, while the store was opened: a broken block had stopped the process
    /// before this one. ``LogStore/markers()`` has those of earlier times as well.
    public let foundCorrupt: [Slot]

    /// Opens the folder, and makes it when it is not there. Only one process can have it open.
    ///
    /// - Throws: ``StorageFailure`` when it belongs to another cluster, has a newer format, is open elsewhere or broken.
    public init(folder: String, cluster: ClusterID, limits: StoreLimits = StoreLimits()) throws(StorageFailure) {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .file(path: folder, reason: "\(error)")
        }
        identity = try StoreIdentity.establish(folder: folder, cluster: cluster)
        do {
            let corrupt = try LogRepair(path: folder + "/log", limits: limits).run()
            log = try LogStore(path: folder + "/log", limits: limits)
            let repair = StateRepair(path: folder + "/state", limits: limits)
            let repaired = try repair.begin(log)
            state = try StateStore(path: folder + "/state", limits: limits)
            if let repaired { try repair.finish(repaired, state) }
            foundCorrupt = Set(corrupt + (repaired?.corrupt ?? [])).sorted()
        } catch let failure as StorageFailure {
            throw failure
        } catch {
            throw .file(path: folder, reason: "\(error)")
        }
        wiped = try Store.wipeMarked(log, state)
        try Store.completeInstalled(log, state)
    }

    /// To be called every second or so: compactions, which leave time for answers, are to keep up all the same. May block.
    public func paceCompactions() {
        log.paceCompactions()
        state.paceCompactions()
    }

    /// Flushes the state and closes both instances. The caller knows that nobody uses them any more.
    public func close() {
        state.close()
        log.close()
    }
}

import Foundation
import Identity
import Logging
import Storage

/// The disk is nearly full: what would take more of it is refused (DESIGN §6.10).
struct DiskNearlyFull: Error, Hashable, CustomStringConvertible {
    var node: NodeID
    var percent: Int

    var description: String { "the disk of \(node) is nearly full (\(percent) %): it takes no writes" }
}

extension SlotNode {
    /// Whether this node takes no writes for want of space.
    public var isDiskFull: Bool { environment.diskFailure != nil }
    /// In words, for operators; `nil` while there is space.
    public var diskTrouble: String? { environment.diskFailure?.description }
}

extension Logger {
    /// Says that a write took so long that others have felt it.
    func noteSlow(_ what: Message, _ duration: Duration, _ limits: SlotLimits) {
        guard duration >= limits.slowWrite else { return }
        info(what, metadata: ["ms": "\(Int(duration / .milliseconds(1)))"])
    }
}

extension SlotEnvironment {
    /// Why no writes are taken; `nil` while they are. Cheap.
    var diskFailure: DiskNearlyFull? {
        disk.level == .full ? DiskNearlyFull(node: node, percent: disk.usage?.percent ?? 100) : nil
    }
}

extension DiskGuard {
    /// What there must be before a store is opened, at most, in bytes.
    private static let neededToOpen = 8 << 20

    /// A guard that logs what changes.
    convenience init(_ configuration: SlotNode.Configuration) {
        let (logger, ballast) = (configuration.logger, configuration.diskLimits.ballast)
        self.init(
            folder: configuration.folder, limits: configuration.diskLimits, measure: configuration.diskSpace
        ) { level, usage in
            let metadata: Logger.Metadata = [
                "used": "\(usage.percent) %", "available_bytes": "\(usage.available)", "ballast_bytes": "\(ballast)",
            ]
            switch level {
            case .normal: logger.notice("there is space on the disk again", metadata: metadata)
            case .warning: logger.warning("the disk fills up: add space, or a node", metadata: metadata)
            case .full:
                logger.critical(
                    "the disk is nearly full: no writes are taken, and other nodes are to lead this one's slots",
                    metadata: metadata)
            }
        }
    }

    /// Before the store is opened.
    ///
    /// - Throws: ``StorageFailure`` when there is no such folder and none can be made, or it cannot be asked.
    func begin(in folder: String) throws {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw StorageFailure.file(path: folder, reason: "\(error)")
        }
        try check()
        // Measured again: the ballast may just have been given up. A RocksDB that runs out of space while it is opened
        // aborts (Debian's is built with assertions), and does not say why.
        let usage = try check()
        let needed = min(DiskGuard.neededToOpen, (usage.used + usage.available) / 64)
        guard usage.available >= needed else {
            throw StorageFailure.diskFull(path: folder, available: usage.available, needed: needed)
        }
    }

    func checkAndRecord(_ metrics: SlotMetrics) throws(StorageFailure) {
        let usage = try check()
        metrics.diskUsed.record(usage.used)
        metrics.diskAvailable.record(usage.available)
        metrics.diskPressure.record(level.rawValue)
    }
}

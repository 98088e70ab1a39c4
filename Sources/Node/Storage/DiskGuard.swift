import Foundation
import Synchronization

/// Watches the disk under a data folder, and keeps a ballast file in it; see ``DiskPressure``.
public final class DiskGuard: Sendable {
    private static let fileName = "BALLAST"

    private let folder: String
    private let pressure: Mutex<DiskPressure>
    private let last = Mutex<DiskPressure.Usage?>(nil)
    private let current = Atomic<Int>(DiskPressure.Level.normal.rawValue)
    private let measure: @Sendable (_ folder: String) throws(StorageFailure) -> (used: Int, available: Int)
    private let report: @Sendable (DiskPressure.Level, DiskPressure.Usage) -> Void

    /// - Parameters:
    ///   - folder: the data folder; it exists.
    ///   - measure: bytes in use and bytes available; ``space(of:)`` unless a test says otherwise.
    ///   - report: called at each change of the level, on the thread of ``check()``.
    public init(
        folder: String, limits: DiskPressure.Limits = DiskPressure.Limits(),
        measure: @escaping @Sendable (_ folder: String) throws(StorageFailure) -> (used: Int, available: Int) =
            DiskGuard.space,
        report: @escaping @Sendable (DiskPressure.Level, DiskPressure.Usage) -> Void
    ) {
        self.folder = folder
        self.measure = measure
        self.report = report
        pressure = Mutex(DiskPressure(limits: limits))
    }

    /// The level at the last check; cheap.
    public var level: DiskPressure.Level {
        DiskPressure.Level(rawValue: current.load(ordering: .relaxed)) ?? .full
    }

    /// What was measured last; `nil` before the first check.
    public var usage: DiskPressure.Usage? { last.withLock { $0 } }

    /// Measures, makes or releases the ballast, and reports a change. Blocks; to be called every second or so, once
    /// before slots are opened.
    ///
    /// - Returns: what was measured.
    /// - Throws: ``StorageFailure/file(path:reason:)`` when the folder cannot be asked.
    @discardableResult
    public func check() throws(StorageFailure) -> DiskPressure.Usage {
        let (used, available) = try measure(folder)
        let usage = DiskPressure.Usage(used: used, available: available, ballast: ballast)
        last.withLock { $0 = usage }
        let actions = pressure.withLock { pressure in
            defer { current.store(pressure.level.rawValue, ordering: .relaxed) }
            return pressure.measured(usage)
        }
        for action in actions {
            switch action {
            case .makeBallast(let bytes): makeBallast(bytes)
            case .releaseBallast: unlink(path)
            case .report(let level): report(level, usage)
            }
        }
        return usage
    }

    private var path: String { folder + "/" + DiskGuard.fileName }

    private var ballast: Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Takes the space for good, in blocks and not as a hole. Without it the store works as well, so a disk that has no
    /// room for it now is asked again at the next check.
    private func makeBallast(_ bytes: Int) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        if posix_fallocate(descriptor, 0, off_t(bytes)) != 0 { unlink(path) }
    }

    /// Of the file system under a folder. What only the superuser may take counts as in use, as `df` has it.
    public static func space(of folder: String) throws(StorageFailure) -> (used: Int, available: Int) {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { throw .last(folder) }
        let block = Int(status.f_frsize)
        return (Int(status.f_blocks - status.f_bfree) * block, Int(status.f_bavail) * block)
    }
}

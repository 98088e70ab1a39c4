import CRocksDB
import Synchronization

/// Compactions of one RocksDB instance are ``RestingWork``: RocksDB asks a compaction filter about each key; ours keeps
/// every key, and rests now and then. On a machine with few cores, compactions of several nodes at once made writes wait
/// for 100 ms, their low priority notwithstanding.
///
/// Without rests when files gather: RocksDB would slow down writes at 20 files of level 0, and stop them at 36. What they
/// write stays bounded by ``StoreLimits/backgroundRate``.
final class CompactionPace: Sendable {
    /// Keys between two looks at the clock.
    fileprivate static let step = 16
    /// Compactions of level 0 begin with 4 files.
    static let crowd = 8

    private let hasty = Atomic<Bool>(false)

    /// Whether compactions work without rests.
    var isHasty: Bool { hasty.load(ordering: .relaxed) }

    /// - Parameter level0Files: of the family that has most.
    func judge(level0Files: Int) { hasty.store(level0Files >= CompactionPace.crowd, ordering: .relaxed) }

    /// The factory of filters that ``RocksDBOptions`` takes over; it keeps this value alive.
    func makeFactory() -> OpaquePointer {
        rocksdb_compactionfilterfactory_create(
            Unmanaged.passRetained(self).toOpaque(),
            { state in if let state { Unmanaged<CompactionPace>.fromOpaque(state).release() } },
            { state, _ in
                guard let state else { return nil }
                let pace = Unmanaged<CompactionPace>.fromOpaque(state).takeUnretainedValue()
                return rocksdb_compactionfilter_create(
                    Unmanaged.passRetained(CompactionTurn(pace)).toOpaque(),
                    { turn in if let turn { Unmanaged<CompactionTurn>.fromOpaque(turn).release() } },
                    { turn, _, _, _, _, _, _, _, _ in
                        if let turn { Unmanaged<CompactionTurn>.fromOpaque(turn).takeUnretainedValue().passKey() }
                        // Keep it.
                        return 0
                    },
                    name)
            },
            name)
    }
}

/// What RocksDB's log calls filter and factory.
private func name(_: UnsafeMutableRawPointer?) -> UnsafePointer<CChar>? {
    let name: StaticString = "guildhall.CompactionPace"
    return UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// The turns of one compaction; used on its thread only.
private final class CompactionTurn {
    private let pace: CompactionPace
    private var keys = 0
    private var work = RestingWork()

    init(_ pace: CompactionPace) { self.pace = pace }

    func passKey() {
        keys += 1
        guard keys >= CompactionPace.step else { return }
        keys = 0
        work.step(isHasty: pace.isHasty)
    }
}

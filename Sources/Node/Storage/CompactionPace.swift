import CRocksDB
import Glibc
import Synchronization

/// Compactions of one RocksDB instance work in short turns with rests between them, so that a thread with an answer to
/// give waits for a turn at most.
///
/// Their low priority alone does not do that: Linux lets the thread that runs go on to the end of its slice, some
/// milliseconds, before one that wakes up (EEVDF's `RUN_TO_PARITY`), and a write passes some twenty threads on its way. On a
/// machine with few cores, compactions of several nodes at once made writes wait for 100 ms. RocksDB asks a compaction
/// filter about each key; ours keeps every key, and rests now and then.
///
/// Without rests when files gather: RocksDB would slow down writes at 20 files of level 0, and stop them at 36.
final class CompactionPace: Sendable {
    /// In nanoseconds.
    fileprivate static let turn: UInt64 = 500_000
    fileprivate static let rest = 1_000_000
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

/// The turn of one compaction; used on its thread only.
private final class CompactionTurn {
    private let pace: CompactionPace
    private var keys = 0
    private var began = CompactionTurn.now()

    init(_ pace: CompactionPace) { self.pace = pace }

    func passKey() {
        keys += 1
        guard keys >= CompactionPace.step else { return }
        keys = 0
        guard CompactionTurn.now() - began >= CompactionPace.turn else { return }
        if !pace.isHasty {
            var rest = timespec(tv_sec: 0, tv_nsec: CompactionPace.rest)
            nanosleep(&rest, nil)
        }
        began = CompactionTurn.now()
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

import CRocksDB
import NIOCore

/// How an instance, or one of its families, is set up.
///
/// `@unchecked Sendable`: options are filled before the value is shared, and only read after that.
final class RocksDBOptions: @unchecked Sendable {
    let handle: OpaquePointer
    let usesWAL: Bool

    private init(usesWAL: Bool) {
        handle = rocksdb_options_create()
        self.usesWAL = usesWAL
        RocksDBOptions.threads
        rocksdb_options_set_create_if_missing(handle, 1)
        // Blocks carry checksums, and every read compares them (`ReadOptions::verify_checksums`, on unless it is turned
        // off). This one says that what a compaction, a flush or the opening finds broken stops all writes, instead of
        // being passed over; it is RocksDB's default, and is said because we rely on it.
        rocksdb_options_set_paranoid_checks(handle, 1)
        rocksdb_options_set_create_missing_column_families(handle, 1)
        rocksdb_options_set_max_background_jobs(handle, 4)
        // Flushes take their time; RocksDB would stop all writes as soon as a second buffer waits for one.
        rocksdb_options_set_max_write_buffer_number(handle, 8)
        rocksdb_options_set_max_open_files(handle, 1024)
        rocksdb_options_set_keep_log_file_num(handle, 4)
        rocksdb_options_set_max_log_file_size(handle, 8 << 20)
        rocksdb_options_set_stats_dump_period_sec(handle, 0)
        rocksdb_options_set_bytes_per_sync(handle, 1 << 20)
    }

    /// Compactions take what processor time others leave: they may run for seconds, and what they are for has no haste.
    /// The two instances of a store share the process's threads; flushes of one do not wait for those of the other.
    private static let threads: Void = {
        // Not an environment of our own: the process's.
        let environment = rocksdb_create_default_env()
        rocksdb_env_lower_thread_pool_cpu_priority(environment)
        rocksdb_env_set_high_priority_background_threads(environment, 2)
        rocksdb_env_destroy(environment)
    }()

    deinit { rocksdb_options_destroy(handle) }

    private func setPace(_ pace: CompactionPace?) {
        rocksdb_options_set_disable_auto_compactions(handle, pace == nil ? 1 : 0)
        if let pace { rocksdb_options_set_compaction_filter_factory(handle, pace.makeFactory()) }
    }

    /// Flushes and compactions write small portions with rests between them: a flush at full speed keeps a core busy for
    /// 100 ms, and the disk, whose syncs others wait for.
    private func setBackgroundRate(_ limits: StoreLimits) {
        // 10: compactions, which come after flushes, get a portion first one time in ten (RocksDB's default).
        let limiter = rocksdb_ratelimiter_create(Int64(limits.backgroundRate), RocksDBOptions.refillPeriod, 10)
        // The options keep it alive.
        defer { rocksdb_ratelimiter_destroy(limiter) }
        rocksdb_options_set_ratelimiter(handle, limiter)
    }

    /// In microseconds. A portion is what the rate allows in this time.
    private static let refillPeriod: Int64 = 10_000

    /// The `log` instance: every batch is synced to its WAL.
    ///
    /// - Parameter pace: of putting files together in the background; absent: that is not done, and nobody waits for the
    ///   cores and the disk, so that flushes need no rests.
    static func log(limits: StoreLimits, pace: CompactionPace?) -> RocksDBOptions {
        let options = RocksDBOptions(usesWAL: true)
        options.setPace(pace)
        if pace != nil { options.setBackgroundRate(limits) }
        rocksdb_options_set_write_buffer_size(options.handle, limits.logWriteBuffer)
        // An unfinished record at the end of the WAL is a batch that was never acknowledged; anything else that is
        // broken is a broken disk, and is not to be passed over in silence (`kTolerateCorruptedTailRecords`).
        rocksdb_options_set_wal_recovery_mode(options.handle, 0)
        rocksdb_options_set_compression(options.handle, Int32(rocksdb_lz4_compression))
        rocksdb_options_set_level_compaction_dynamic_level_bytes(options.handle, 1)
        return options
    }

    /// The `state` instance: no WAL, all families flushed together.
    ///
    /// - Parameter isServing: others wait for the same cores and disk, so it works in the background at a rate.
    static func state(limits: StoreLimits, isServing: Bool) -> RocksDBOptions {
        let options = RocksDBOptions(usesWAL: false)
        rocksdb_options_set_atomic_flush(options.handle, 1)
        if isServing { options.setBackgroundRate(limits) }
        rocksdb_options_set_db_write_buffer_size(options.handle, limits.stateWriteBuffer)
        return options
    }

    /// A family of the `state` instance.
    ///
    /// - Parameters:
    ///   - cache: an LRU block cache that all families share.
    ///   - pace: of putting files together in the background; absent: that is not done.
    static func stateFamily(limits: StoreLimits, cache: OpaquePointer, pace: CompactionPace?) -> RocksDBOptions {
        let options = RocksDBOptions(usesWAL: false)
        options.setPace(pace)
        rocksdb_options_set_write_buffer_size(options.handle, limits.stateWriteBuffer)
        rocksdb_options_set_compression(options.handle, Int32(rocksdb_lz4_compression))
        rocksdb_options_set_bottommost_compression(options.handle, Int32(rocksdb_zstd_compression))
        rocksdb_options_set_level_compaction_dynamic_level_bytes(options.handle, 1)
        let table = rocksdb_block_based_options_create()
        rocksdb_block_based_options_set_block_cache(table, cache)
        // Ten bits a key: about one false hit in a hundred. The options own the policy.
        rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(10))
        rocksdb_options_set_block_based_table_factory(options.handle, table)
        rocksdb_block_based_options_destroy(table)
        return options
    }
}

/// The limits of a store, in bytes unless said otherwise.
public struct StoreLimits: Sendable {
    public var blockCache = 256 << 20
    /// Of all families together. Small, because the ``backgroundRate`` does not slow down all of a flush: of a row that
    /// was written often only the last version goes to the file, and passing over the others takes a core's time.
    public var stateWriteBuffer = 16 << 20
    /// Small for the same reason: the entries that were trimmed meanwhile are passed over.
    public var logWriteBuffer = 16 << 20
    /// What flushes and compactions of an instance write at most, a second. More than what as many cores take in, and a
    /// fifth of what one of them can write.
    public var backgroundRate = (32 << 20) * max(2, System.coreCount)
    /// What may wait for the log's disk; above it commands are refused.
    public var logQueue = 64 << 20
    /// The most that one synced write holds.
    public var logBatch = 8 << 20

    public init() {}
}

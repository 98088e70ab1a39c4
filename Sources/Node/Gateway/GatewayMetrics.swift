import Metrics

/// What a gateway counts. Loops add up by themselves and report once a second.
struct GatewayMetrics: Sendable {
    private let connections = Gauge(label: "guildhall_gateway_connections")
    private let sessions = Gauge(label: "guildhall_gateway_sessions")
    private let roots = Gauge(label: "guildhall_gateway_followed_roots")
    private let deliveries = Counter(label: "guildhall_gateway_deliveries_total")
    private let bytes = Counter(label: "guildhall_gateway_sent_bytes_total")
    private let writes = Counter(label: "guildhall_gateway_writes_total")
    private let slowReaders = Counter(label: "guildhall_gateway_slow_readers_total")
    private let refused = Counter(label: "guildhall_gateway_refused_connections_total")
    private let identifies = Counter(label: "guildhall_gateway_identifies_total")
    private let resumes = Counter(label: "guildhall_gateway_resumes_total")
    private let invalidations = Counter(label: "guildhall_gateway_invalidated_sessions_total")
    private let compressed = Counter(label: "guildhall_gateway_deflated_dispatches_total")
    private let compressionTime = Counter(label: "guildhall_gateway_deflate_microseconds_total")
    private let journaled = Gauge(label: "guildhall_gateway_journaled_sessions")
    private let lateTicks = Counter(label: "guildhall_gateway_late_journal_ticks_total")
    private let handedOverSessions = Counter(label: "guildhall_gateway_handed_over_sessions_total")
    private let recoveredSessions = Counter(label: "guildhall_gateway_recovered_sessions_total")

    /// What one loop counted since its last report.
    struct Tally {
        var deliveries = 0
        var bytes = 0
        var writes = 0
        var slowReaders = 0
        var refused = 0
        var identifies = 0
        var resumes = 0
        var invalidations = 0
        var compressed = 0
        var compressionNanoseconds = 0
        var lateTicks = 0
    }

    func report(_ tally: Tally) {
        deliveries.increment(by: tally.deliveries)
        bytes.increment(by: tally.bytes)
        writes.increment(by: tally.writes)
        slowReaders.increment(by: tally.slowReaders)
        refused.increment(by: tally.refused)
        identifies.increment(by: tally.identifies)
        resumes.increment(by: tally.resumes)
        invalidations.increment(by: tally.invalidations)
        compressed.increment(by: tally.compressed)
        compressionTime.increment(by: tally.compressionNanoseconds / 1000)
        lateTicks.increment(by: tally.lateTicks)
    }

    func handedOver() { handedOverSessions.increment() }
    func recovered() { recoveredSessions.increment() }

    func record(_ count: LoopCount, followedRoots: Int) {
        roots.record(followedRoots)
        connections.record(count.connections)
        sessions.record(count.sessions)
        journaled.record(count.journaled)
    }
}

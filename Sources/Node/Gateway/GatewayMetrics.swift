import Metrics

/// What a gateway counts. Loops add up by themselves and report once a second.
struct GatewayMetrics: Sendable {
    private let connections = Gauge(label: "gateway_connections")
    private let sessions = Gauge(label: "gateway_sessions")
    private let roots = Gauge(label: "gateway_followed_roots")
    private let deliveries = Counter(label: "gateway_deliveries_total")
    private let bytes = Counter(label: "gateway_sent_bytes_total")
    private let writes = Counter(label: "gateway_writes_total")
    private let slowReaders = Counter(label: "gateway_slow_readers_total")
    private let refused = Counter(label: "gateway_refused_connections_total")
    private let identifies = Counter(label: "gateway_identifies_total")
    private let resumes = Counter(label: "gateway_resumes_total")
    private let invalidations = Counter(label: "gateway_invalidated_sessions_total")
    private let compressed = Counter(label: "gateway_deflated_dispatches_total")
    private let compressionTime = Counter(label: "gateway_deflate_microseconds_total")

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
    }

    func record(_ count: LoopCount, followedRoots: Int) {
        roots.record(followedRoots)
        connections.record(count.connections)
        sessions.record(count.sessions)
    }
}

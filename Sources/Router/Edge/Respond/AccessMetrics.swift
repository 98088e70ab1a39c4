import Metrics
import NIOHTTP1

/// Counts and times of one event loop's answers, by operation and class of status. The instruments are kept, because
/// asking the metrics system for one takes a lock.
struct AccessMetrics {
    private struct Key: Hashable {
        var operation: String
        var statusClass: UInt
    }

    private struct Instruments {
        var requests: Counter
        var duration: Timer
    }

    private var instruments: [Key: Instruments] = [:]

    /// - Parameter operation: one of a fixed set, never text of a client's.
    mutating func record(operation: String, status: HTTPResponseStatus, nanoseconds: Int64) {
        let key = Key(operation: operation, statusClass: status.code / 100)
        let found: Instruments
        if let known = instruments[key] {
            found = known
        } else {
            let dimensions = [("operation", operation), ("status", "\(key.statusClass)xx")]
            found = Instruments(
                requests: Counter(label: "guildhall_edge_requests_total", dimensions: dimensions),
                duration: Timer(label: "guildhall_edge_request_duration_seconds", dimensions: dimensions))
            instruments[key] = found
        }
        found.requests.increment()
        found.duration.recordNanoseconds(nanoseconds)
    }
}

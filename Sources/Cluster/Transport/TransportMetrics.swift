import CoreMetrics
import NIOCore
import Synchronization
import Wire

/// What a client or a server of the transport counts. All are made beforehand: counting takes no lock and makes nothing.
///
/// - `guildhall_transport_connections` {side, lane}: connections that stand.
/// - `guildhall_transport_calls_total` {side, method, outcome}: calls that ended, `made` or `served` here.
/// - `guildhall_transport_bytes_total` {direction, lane}: bytes of established connections, TLS not counted.
/// - `guildhall_transport_sheds_total` {lane}: items that a stream's full queue refused, by which its consumer is shed.
final class TransportMetrics: Sendable {
    /// How a call ended.
    enum Outcome: String, CaseIterable {
        case answered, unreachable, lost, late, cancelled, overloaded, refused
        case unknownMethod = "unknown_method"

        init(_ result: Result<ByteBuffer, CallFailure>) {
            switch result {
            case .success: self = .answered
            case .failure(.unreachable): self = .unreachable
            case .failure(.connectionLost): self = .lost
            case .failure(.deadlineExceeded): self = .late
            case .failure(.cancelled): self = .cancelled
            case .failure(.overloaded): self = .overloaded
            case .failure(.unknownMethod): self = .unknownMethod
            case .failure(.refused): self = .refused
            }
        }
    }

    enum Side: String {
        /// The client's: it dials, and makes calls.
        case dialled = "made"
        /// The server's.
        case accepted = "served"
    }

    /// By method number, from 0 on; the first counts all that have no name, so that a peer's invention adds no label.
    private static let methodNames = [
        "other", "slot", "coordinator", "coordinator_watch", "events", "pull_session", "status",
    ]

    private let calls: [[Outcome: Counter]]
    /// By lane.
    private let received: [Counter]
    private let sent: [Counter]
    private let sheds: [Counter]
    private let connections: [Gauge]
    private let standing: [ConnectionCount]

    private final class ConnectionCount: Sendable {
        let value = Atomic<Int>(0)
    }

    init(_ side: Side, factory: any MetricsFactory) {
        calls = TransportMetrics.methodNames.map { method in
            Dictionary(
                uniqueKeysWithValues: Outcome.allCases.map { outcome in
                    let labels = [("side", side.rawValue), ("method", method), ("outcome", outcome.rawValue)]
                    return (
                        outcome,
                        Counter(label: "guildhall_transport_calls_total", dimensions: labels, factory: factory)
                    )
                })
        }
        func byLane(_ label: String, _ more: [(String, String)] = []) -> [Counter] {
            Lane.allCases.map {
                Counter(label: label, dimensions: more + [("lane", "\($0)")], factory: factory)
            }
        }
        received = byLane("guildhall_transport_bytes_total", [("direction", "in")])
        sent = byLane("guildhall_transport_bytes_total", [("direction", "out")])
        sheds = byLane("guildhall_transport_sheds_total")
        connections = Lane.allCases.map {
            Gauge(
                label: "guildhall_transport_connections",
                dimensions: [("side", side == .dialled ? "dialled" : "accepted"), ("lane", "\($0)")], factory: factory)
        }
        standing = Lane.allCases.map { _ in ConnectionCount() }
    }

    func ended(_ method: CallMethod, _ result: Result<ByteBuffer, CallFailure>) {
        let index = Int(method.rawValue)
        calls[index < calls.count ? index : 0][Outcome(result)]?.increment()
    }

    func received(_ bytes: Int, on lane: Lane) { received[Int(lane.rawValue)].increment(by: bytes) }
    func sent(_ bytes: Int, on lane: Lane) { sent[Int(lane.rawValue)].increment(by: bytes) }
    func shed(on lane: Lane) { sheds[Int(lane.rawValue)].increment() }

    /// Connections came or went.
    func stand(_ change: Int, on lane: Lane) {
        let now = standing[Int(lane.rawValue)].value.wrappingAdd(change, ordering: .relaxed).newValue
        connections[Int(lane.rawValue)].record(now)
    }
}

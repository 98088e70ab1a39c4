import Identity
import Logging
import Metrics
import NIOCore
import Placement
import Routing
import Transport

/// Compares, slot after slot and slowly, the replicas of what this node is primary of; says and counts what differs.
struct BackgroundVerification: Sendable {
    let node: NodeID
    let view: any ClusterView
    let client: any CallClient
    /// From one slot to the next.
    let interval: Duration
    let logger: Logger
    private let compared = Counter(label: "guildhall_verified_slots_total")
    private let different = Counter(label: "guildhall_replica_differences_total")

    init(
        node: NodeID, view: any ClusterView, client: any CallClient, interval: Duration, logger: Logger
    ) {
        self.node = node
        self.view = view
        self.client = client
        self.interval = interval
        self.logger = logger
        // Shown from the start, so that an alarm on it has something to look at.
        different.increment(by: 0)
    }

    /// Until it is cancelled.
    func run() async {
        var limits = SlotVerification.Limits()
        limits.bytesPerSecond = 4 << 20
        let verification = SlotVerification(view: view, client: client, limits: limits)
        // Not all nodes begin at the same slot.
        var last = Slot(truncating: UInt64.random(in: 0..<UInt64(Slot.count)))
        while !Task.isCancelled {
            do { try await Task.sleep(for: interval) } catch { return }
            guard let slot = next(after: last) else { continue }
            last = slot
            switch await verification.run(slot) {
            case .single: break
            case .notCompared(let reason):
                logger.debug(
                    "a slot's replicas are not compared", metadata: ["slot": "\(slot)", "reason": "\(reason)"])
            case .compared(let comparison): report(slot, comparison)
            }
        }
    }

    private func next(after last: Slot) -> Slot? {
        let own = view.rows.filter { $0.primary == node && $0.inSync.count > 1 }.map(\.slot).sorted()
        return own.first { $0 > last } ?? own.first
    }

    private func report(_ slot: Slot, _ comparison: SlotVerification.Comparison) {
        compared.increment()
        logger.debug(
            "a slot's replicas are equal or not",
            metadata: [
                "slot": "\(slot)", "index": "\(comparison.index)", "rows": "\(comparison.rows)",
                "differences": "\(comparison.differences.count)",
            ])
        guard !comparison.differences.isEmpty else { return }
        different.increment(by: comparison.differences.count)
        for difference in comparison.differences {
            logger.critical(
                "replicas of a slot differ; see ops/GUIDE.md",
                metadata: [
                    "slot": "\(slot)", "index": "\(difference.index)", "family": "\(difference.range.family)",
                    "sums":
                        "\(difference.sums.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.rows) rows, \(String($0.value.checksum, radix: 16))" }.joined(separator: "; "))",
                ])
        }
    }
}

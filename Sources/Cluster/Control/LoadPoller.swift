import Identity
import Logging
import NIOCore
import Placement
import Routing
import Transport
import Wire

/// Asks the guild nodes for their loads from time to time; what they say never goes through the coordinator.
public actor LoadPoller {
    public struct Settings: Sendable {
        public var interval: Duration = .seconds(2)
        public var timeout: TimeAmount = .seconds(3)

        public init() {}
    }

    private let view: any ClusterView
    /// Reaches the guild nodes.
    nonisolated let client: any CallClient
    private let settings: Settings
    private let start = ContinuousClock.now
    public private(set) var book = LoadBook()

    public init(view: any ClusterView, client: any CallClient, settings: Settings = Settings()) {
        self.view = view
        self.client = client
        self.settings = settings
    }

    /// Polls until the task is cancelled.
    public func run() async {
        // The first answers are waited for.
        await poll(over: .zero)
        while !Task.isCancelled {
            let next = ContinuousClock.now + settings.interval
            await poll(over: settings.interval)
            try? await Task.sleep(until: next)
        }
    }

    /// Nodes that have answered within the last rounds.
    public var responsive: Set<NodeID> { book.heardSince(elapsed - settings.interval * 5) }

    private var elapsed: Duration { start.duration(to: .now) }

    /// Asks each node once, one after the other within a time: what they and this process do for an answer would be a
    /// pause for their clients if all did it at once.
    private func poll(over time: Duration) async {
        let (client, timeout) = (client, settings.timeout)
        let nodes = view.nodes.filter { $0.roles.contains(.guild) }
        await withTaskGroup(of: (NodeID, NodeStatus?).self) { group in
            for (number, node) in nodes.enumerated() {
                group.addTask {
                    do { try await Task.sleep(for: time * number / nodes.count) } catch { return (node.id, nil) }
                    let address = NodeAddress(node: node.id, host: node.host, port: node.port)
                    let answer = try? await client.call(
                        .status, body: ByteBuffer(), to: address, lane: .control, deadline: .now() + timeout)
                    return (node.id, answer.flatMap { try? NodeStatus(decoding: $0) })
                }
            }
            for await (node, status) in group {
                if let status { book.note(status, of: node, now: elapsed) }
            }
        }
    }
}

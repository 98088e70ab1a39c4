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
        while !Task.isCancelled {
            await poll()
            try? await Task.sleep(for: settings.interval)
        }
    }

    /// Nodes that have answered within the last rounds.
    public var responsive: Set<NodeID> { book.heardSince(elapsed - settings.interval * 5) }

    private var elapsed: Duration { start.duration(to: .now) }

    private func poll() async {
        let (client, timeout) = (client, settings.timeout)
        await withTaskGroup(of: (NodeID, NodeStatus?).self) { group in
            for node in view.nodes where node.roles.contains(.guild) {
                group.addTask {
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

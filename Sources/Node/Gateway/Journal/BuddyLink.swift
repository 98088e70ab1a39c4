import Identity
import Logging
import NIOCore
import Placement
import Routing
import Transport
import Wire

/// Finds the gateway's buddy and keeps the journal's stream to it: without I/O of its own beyond that, since the loops
/// write to the stream themselves and get the answers as messages.
actor BuddyLink {
    /// How often the choice is looked at.
    static let interval = Duration.milliseconds(200)
    /// A buddy that failed is not chosen again for so long, unless there is no other.
    static let restTime = TimeAmount.seconds(10)
    /// Between attempts, when none succeeds.
    static let retryTime = TimeAmount.seconds(1)

    private let node: NodeID
    private let startedAt: Timestamp
    private let client: any CallClient
    private let view: any ClusterView
    private let logger: Logger
    private var loops: [any LoopPost] = []
    private var buddy: (node: NodeID, stream: any TransportStream)?
    private var isOpening = false
    private var failures: [NodeID: NIODeadline] = [:]
    private var retryAt = NIODeadline.uptimeNanoseconds(0)
    private var isStopped = false

    init(node: NodeID, startedAt: Timestamp, client: any CallClient, view: any ClusterView, logger: Logger) {
        self.node = node
        self.startedAt = startedAt
        self.client = client
        self.view = view
        self.logger = logger
    }

    /// - Parameter loops: in the order of their numbers.
    func start(_ loops: [any LoopPost]) -> Task<Void, Never> {
        self.loops = loops
        return Task {
            while !Task.isCancelled {
                await self.look(now: .now())
                try? await Task.sleep(for: BuddyLink.interval)
            }
        }
    }

    /// Tells the buddy that nothing is left to be kept.
    func stop() {
        isStopped = true
        leave()
    }

    var current: NodeID? { buddy?.node }

    private func leave() {
        guard let buddy else { return }
        self.buddy = nil
        for loop in loops { loop.post(.journal(nil)) }
        // Behind it, the buddy closes the stream.
        if !buddy.stream.send(JournalMessage.end.encoded()) { buddy.stream.close("the journal ends") }
    }

    private func look(now: NIODeadline) async {
        guard !isStopped, !isOpening else { return }
        if let buddy {
            guard let record = view.node(buddy.node) else { return lost(buddy.stream, "it is gone") }
            guard record.isDraining else { return }
            leave()
            return await look(now: now)
        }
        guard now >= retryAt, let next = choose(now: now) else { return }
        isOpening = true
        defer { isOpening = false }
        let address = NodeAddress(node: next.id, host: next.host, port: next.port)
        let stream = try? await client.openStream(
            .journal, body: JournalOpening(startedAt: startedAt).encoded(), to: address, lane: .event,
            receiver: BuddyReceiver(link: self, loops: loops))
        guard let stream else {
            failures[next.id] = .now()
            retryAt = .now() + (failures.count > 1 ? BuddyLink.retryTime : .zero)
            return
        }
        guard !isStopped else { return stream.close("the gateway stops") }
        logger.info("sessions are journaled", metadata: ["buddy": "\(next.id)"])
        buddy = (next.id, stream)
        for loop in loops { loop.post(.journal(stream)) }
    }

    private func choose(now: NIODeadline) -> NodeRecord? {
        failures = failures.filter { now - $0.value < BuddyLink.restTime }
        let candidates = GatewayOrder.buddies(of: node, among: view.nodes)
        return candidates.first { failures[$0.id] == nil } ?? candidates.first
    }

    /// The stream ended, or a loop found its answers to be far too late.
    func lost(_ stream: any TransportStream, _ reason: String) {
        guard let buddy, buddy.stream === stream else { return }
        logger.notice("the buddy is lost", metadata: ["buddy": "\(buddy.node)", "reason": "\(reason)"])
        failures[buddy.node] = .now()
        self.buddy = nil
        stream.close(reason)
        for loop in loops { loop.post(.journalLost) }
        Task { await self.look(now: .now()) }
    }
}

/// Passes the buddy's answers on to the loops.
private struct BuddyReceiver: StreamReceiver {
    let link: BuddyLink
    let loops: [any LoopPost]

    func received(_ item: ByteBuffer, on stream: any TransportStream) {
        stream.consumed(1)
        guard let reply = try? JournalReply(decoding: item), loops.indices.contains(reply.loop) else {
            return stream.close("an answer that cannot be read")
        }
        loops[reply.loop].post(.journaled(tick: reply.number))
    }

    func closed(_ reason: String, on stream: any TransportStream) {
        Task { await link.lost(stream, reason) }
    }
}

import Identity
import NIOCore
import Placement
import Replication
import Routing

/// The way from the slots' executors to what their node shares in replication: the hub, and the coordinator's rows.
struct ReplicationPost: Sendable {
    private let loop: any EventLoop
    private let hub: NIOLoopBound<ReplicationHub>
    private let swapper: RowSwapper
    /// Tells executors which campaigns are allowed, and which are not now.
    private let judged: @Sendable (_ allowed: [RowSwap], _ refused: [RowSwap]) -> Void

    init(
        _ hub: NIOLoopBound<ReplicationHub>, on loop: any EventLoop, swapper: RowSwapper,
        judged: @escaping @Sendable (_ allowed: [RowSwap], _ refused: [RowSwap]) -> Void
    ) {
        self.hub = hub
        self.loop = loop
        self.swapper = swapper
        self.judged = judged
    }

    func epochsKnown(_ epochs: [Slot: Epoch]) { loop.execute { [hub] in hub.value.epochsKnown(epochs) } }
    func rowsChanged(_ rows: [ShardMapRow]) { loop.execute { [hub] in hub.value.rowsChanged(rows) } }
    func nodesChanged(_ nodes: [NodeRecord]) { loop.execute { [hub] in hub.value.nodesChanged(nodes) } }
    func setClaims(_ claims: Claims, of executor: Int) {
        loop.execute { [hub] in hub.value.setClaims(claims, of: executor) }
    }

    func tellNewClaims(_ claims: Claims) { loop.execute { [hub] in hub.value.tellNewClaims(claims) } }

    func received(_ message: ReplicationMessage, from id: NodeID) {
        loop.execute { [hub] in hub.value.received(message, from: id) }
    }

    func swap(_ swaps: [RowSwap]) {
        let changes = swaps.map { RowSwapper.Change(expected: $0.expected, new: $0.new) }
        Task { [swapper] in await swapper.swap(changes) }
    }

    func campaign(_ campaigns: [RowSwap]) {
        loop.execute { [hub, judged] in
            let (allowed, refused) = hub.value.allowed(campaigns)
            judged(allowed, refused)
        }
    }

    func refresh(_ slots: [Slot]) { Task { [swapper] in await swapper.read(slots) } }

    func close() async {
        await swapper.stop()
        try? await loop.flatSubmit { [hub, loop] in hub.value.close(on: loop) }.get()
    }
}

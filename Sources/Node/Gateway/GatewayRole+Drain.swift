import Identity
import NIOCore
import Routing
import Synchronization
import Transport

/// How a gateway gives its sessions up: at the end of the process, or because an operator empties it.
extension GatewayRole {
    /// Hands every session over to a peer, and sends its client there with op 7. What no peer takes stays here for a
    /// while, to be pulled by the gateways that the clients come back to.
    public func drain(until deadline: NIODeadline) async {
        guard let running = takeRunning() else { return }
        for task in running.tasks { task.cancel() }
        await running.exchange.setLeaving(true)
        let end = deadline - GatewayRole.closingTime
        // Routers that have not heard of the drain yet still pass clients here; what lies in a closed socket is lost.
        if await running.exchange.hasPullers, NIODeadline.now() + GatewayRole.routersTime < end {
            try? await Task.sleep(for: .nanoseconds(GatewayRole.routersTime.nanoseconds))
        }
        for loop in running.loops { loop.post(.stopAccepting) }
        await GatewayRole.handOver(running.loops, running.exchange, until: end)
        for loop in running.loops { loop.post(.drain) }
        let patience = min(end, .now() + handOverTime)
        let closed = min(deadline, .now() + GatewayRole.closingTime)
        while true {
            let count = await GatewayRole.count(running.loops)
            let mayBePulled = await running.exchange.hasPullers && count.sessions > 0 && NIODeadline.now() < patience
            guard mayBePulled || (count.connections > 0 && NIODeadline.now() < closed) else { break }
            try? await Task.sleep(for: .milliseconds(20))
        }
        await running.keeper.stop()
        // With sessions left, the buddy keeps what it has: it is all that remains of them.
        if await GatewayRole.count(running.loops).sessions == 0 { await running.buddy.stop() }
        for loop in running.loops { loop.post(.stop) }
        for stream in running.stopped { for await _ in stream {} }
        await running.streams.stop()
    }

    /// Hands sessions over, a few at a time, until none is left, nobody takes them, or the time is over.
    private static func handOver(_ loops: [ClientLoop], _ exchange: SessionExchange, until end: NIODeadline) async {
        while NIODeadline.now() < end, await exchange.hasPeers {
            let left = await exchange.handOver(limit: max(1, maximumLeaving / loops.count))
            guard left > 0 else { break }
        }
    }

    /// Empties the gateway while its record says that it drains; its process goes on.
    static func obeyOperator(
        _ node: NodeID, _ view: any ClusterView, _ loops: [ClientLoop], _ exchange: SessionExchange
    ) async {
        var isDraining = false
        while !Task.isCancelled {
            let isAsked = view.node(node)?.isDraining ?? false
            // The last gateway keeps what it has.
            let hasPeers = await exchange.hasPeers
            if isAsked != isDraining, hasPeers || !isAsked {
                isDraining = isAsked
                await exchange.setLeaving(isDraining)
                for loop in loops { loop.post(.admit(!isDraining)) }
            }
            if isDraining { await handOver(loops, exchange, until: .now() + .seconds(10)) }
            try? await Task.sleep(for: drainInterval)
        }
    }
}

/// Serves one method from the moment that what answers it runs.
final class CallRelay<Handler: CallHandler>: CallHandler {
    private let handler = Mutex<Handler?>(nil)

    func serve(_ handler: Handler) { self.handler.withLock { $0 = handler } }

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        guard let handler = handler.withLock({ $0 }) else { throw .refused("the gateway is starting") }
        return try await handler.handle(call)
    }
}

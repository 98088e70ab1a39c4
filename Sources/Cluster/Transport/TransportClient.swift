import CoreMetrics
import Identity
import Logging
import NIOCore
import ServiceContextModule
import Synchronization
import Wire

/// Calls other nodes: one connection a peer and lane, opened when it is first needed and again after a loss.
///
/// While a peer is out of reach, calls to it fail at once as unreachable until the next attempt is due. Shut it down
/// before its event loops.
public final class TransportClient: CallClient {
    private struct Key: Hashable {
        var address: NodeAddress
        var lane: Lane
    }

    private struct State {
        var links: [Key: Mailbox<LinkCommand>] = [:]
        var isDown = false
    }

    private let identity: TransportIdentity
    private let group: any EventLoopGroup
    private let limits: TransportLimits
    private let tls: TransportTLS?
    private let metrics: TransportMetrics
    private let logger: Logger
    /// Held for one look-up a call.
    private let state = Mutex(State())

    public init(
        identity: TransportIdentity, group: any EventLoopGroup, limits: TransportLimits = TransportLimits(),
        tls: TransportTLS? = nil, logger: Logger = Logger(label: "transport"),
        metrics factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self.identity = identity
        self.group = group
        self.limits = limits
        self.tls = tls
        metrics = TransportMetrics(.dialled, factory: factory)
        self.logger = logger
    }

    private func link(to address: NodeAddress, lane: Lane) -> Mailbox<LinkCommand>? {
        let key = Key(address: address, lane: lane)
        return state.withLock { state in
            if state.isDown { return nil }
            if let link = state.links[key] { return link }
            let eventLoop = group.next()
            let forget: @Sendable () -> Void = { [weak self] in
                _ = self?.state.withLock { $0.links.removeValue(forKey: key) }
            }
            let link = Mailbox<LinkCommand>(eventLoop: eventLoop) {
                [identity, limits, tls, metrics, logger] _ in
                let link = PeerLink(
                    address: address, lane: lane, identity: identity, limits: limits, tls: tls, metrics: metrics,
                    logger: logger, eventLoop: eventLoop, forget: forget)
                return { link.perform($0) }
            }
            state.links[key] = link
            return link
        }
    }

    /// Makes a call without a task.
    ///
    /// - Parameter completion: called once, on an event loop; it must not block.
    public func call(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, deadline: NIODeadline,
        context: ServiceContext?, completion: @escaping @Sendable (Result<ByteBuffer, CallFailure>) -> Void
    ) {
        start(
            method, body: body, to: address, lane: lane, deadline: deadline, context: context, token: CallToken(),
            completion: completion)
    }

    private func start(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, deadline: NIODeadline,
        context: ServiceContext?, token: CallToken,
        completion: @escaping @Sendable (Result<ByteBuffer, CallFailure>) -> Void
    ) {
        guard let link = link(to: address, lane: lane) else {
            let failure = CallFailure.unreachable("the transport is shut down")
            metrics.ended(method, .failure(failure))
            return completion(.failure(failure))
        }
        link.post(
            .call(
                OutboundCall(
                    method: method, body: body, deadline: deadline, trace: TraceContext.inject(context), token: token,
                    metrics: metrics, completion: completion)))
    }

    public func call(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, deadline: NIODeadline
    ) async throws(CallFailure) -> ByteBuffer {
        let token = CallToken()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation {
                (continuation: CheckedContinuation<Result<ByteBuffer, CallFailure>, Never>) in
                start(
                    method, body: body, to: address, lane: lane, deadline: deadline, context: ServiceContext.current,
                    token: token, completion: { continuation.resume(returning: $0) })
            }
        } onCancel: {
            token.isCancelled.store(true, ordering: .relaxed)
            link(to: address, lane: lane)?.post(.cancel(token))
        }
        return try result.get()
    }

    public func openStream(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, receiver: any StreamReceiver
    ) async throws(CallFailure) -> any TransportStream {
        guard let link = link(to: address, lane: lane) else { throw .unreachable("the transport is shut down") }
        let trace = TraceContext.inject(ServiceContext.current)
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<any TransportStream, CallFailure>, Never>) in
            link.post(
                .open(
                    OutboundStream(
                        method: method, body: body, trace: trace, receiver: receiver,
                        completion: { continuation.resume(returning: $0) })))
        }
        return try result.get()
    }

    /// Fails what is under way and closes every connection.
    public func shutdown() async {
        let links = state.withLock { state in
            state.isDown = true
            defer { state.links.removeAll() }
            return Array(state.links.values)
        }
        for link in links { link.post(.shutdown) }
    }
}

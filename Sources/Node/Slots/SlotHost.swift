import Identity
import NIOCore
import Routing
import Transport
import Wire

/// The way into one executor's slots: an actor on that executor's event loop (DESIGN §9).
actor SlotHost {
    nonisolated let loop: any EventLoop
    private let bound: NIOLoopBound<SlotExecutor>

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }

    private init(_ loop: any EventLoop, _ bound: NIOLoopBound<SlotExecutor>) {
        self.loop = loop
        self.bound = bound
    }

    static func make(
        on loop: any EventLoop, number: Int, environment: SlotEnvironment, view: any ClusterView,
        served: @escaping @Sendable (Slot, Bool) -> Void
    ) async throws -> SlotHost {
        let bound = try await loop.submit {
            NIOLoopBound(
                SlotExecutor(loop: loop, number: number, environment: environment, view: view, served: served),
                eventLoop: loop)
        }.get()
        return SlotHost(loop, bound)
    }

    /// - Parameter complete: called once, on the event loop.
    nonisolated func perform(
        _ call: SlotCall, deadline: NIODeadline, complete: @escaping @Sendable (SlotReply) -> Void
    ) {
        if loop.inEventLoop { return bound.value.perform(call, deadline: deadline, complete: complete) }
        loop.execute { [bound] in bound.value.perform(call, deadline: deadline, complete: complete) }
    }

    func start(_ post: ReplicationPost, knownEpochs: [Slot: Epoch], absences: [Slot: SlotAbsence]) {
        bound.value.start(post, knownEpochs: knownEpochs, absences: absences)
    }

    /// Runs on the loop, in the order of the calls from one thread.
    nonisolated func execute(_ body: @escaping @Sendable (SlotExecutor) -> Void) {
        loop.execute { [bound] in body(bound.value) }
    }

    func takesSnapshot(_ offer: SnapshotOffer, from id: NodeID) -> Bool { bound.value.takesSnapshot(offer, from: id) }
    func beginInstalling(_ offer: SnapshotOffer, from id: NodeID) -> Bool {
        bound.value.beginInstalling(offer, from: id)
    }
    func endInstalling(_ slot: Slot) { bound.value.endInstalling(slot) }
    func drain() { bound.value.drain() }
    func isIdle() -> Bool { bound.value.isIdle }
    func closeAll() { bound.value.closeAll() }
    func tidy(now: Timestamp) -> ExecutorReport { bound.value.tidy(now: now) }

    /// Keeps the order of what one stream sends.
    nonisolated func streamRequest(_ request: EventStreamRequest, from stream: any TransportStream) {
        loop.execute { [bound] in bound.value.streamRequest(request, from: stream) }
    }

    nonisolated func streamClosed(_ stream: any TransportStream) {
        loop.execute { [bound] in bound.value.hub.remove(stream) }
    }
}

import Identity
import Logging
import NIOCore
import Storage
import Transport
import Wire

/// Takes snapshots of slots that this node is to learn, one at a time: they hold up the store's writes.
struct SnapshotStreams: StreamAcceptor {
    let node: @Sendable () -> SlotNode?

    func accept(_ stream: any TransportStream, body: ByteBuffer) throws(CallFailure) -> any StreamReceiver {
        guard let node = node() else { throw .refused("the guild role is starting") }
        let offer: SnapshotOffer
        do { offer = try SnapshotOffer(decoding: body) } catch { throw .refused("\(error)") }
        let items = StreamItems<SnapshotItem>()
        Task { await node.receiveSnapshot(offer, items.items, on: stream) }
        return items
    }
}

/// Lets one of several tasks go on at a time, in the order of their coming.
actor Turns {
    private let limit: Int
    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// - Parameter limit: how many may wait.
    init(limit: Int) { self.limit = limit }

    /// - Returns: `false` when too many wait.
    func take() async -> Bool {
        guard isTaken else {
            isTaken = true
            return true
        }
        guard waiting.count < limit else { return false }
        await withCheckedContinuation { waiting.append($0) }
        return true
    }

    func leave() {
        if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
    }
}

/// One snapshot on its way in.
struct SnapshotReceiver: Sendable {
    let offer: SnapshotOffer
    let store: Store
    let writer: LogWriter
    let disks: BoundedPool
    let host: SlotHost
    let stream: any TransportStream
    let limits: SlotLimits

    /// - Returns: how long its being installed took: of that the slot was not used here.
    func run(_ items: AsyncThrowingStream<SnapshotItem, any Error>) async throws -> Duration {
        let head = offer.head
        guard await host.takesSnapshot(offer, from: stream.peer) else {
            throw SnapshotFailure(reason: "the slot's replica here takes no snapshot now")
        }
        guard let ingestion = try await disks.run({ try store.ingest(head, writer: writer) }) else {
            throw SnapshotFailure(reason: "another snapshot is being taken")
        }
        defer { ingestion.close() }
        let watch = Watchdog(limits.snapshotPatience) { [stream] in stream.close("the snapshot makes no progress") }
        defer { watch.stop() }
        try answer(.ready)
        var received = 0
        for try await item in items {
            watch.progressed()
            switch item {
            case .part(let part): try await disks.run { try ingestion.begin(part) }
            case .bytes(let bytes):
                _ = try await disks.run { try ingestion.write(bytes) }
                received += bytes.readableBytes
                try answer(.received(received))
            case .end(let parts):
                watch.stop()
                guard await host.beginInstalling(offer, from: stream.peer) else {
                    throw SnapshotFailure(reason: "the slot's replica here takes no snapshot now")
                }
                let begun = ContinuousClock.now
                do {
                    _ = try await disks.run { try ingestion.install(parts: parts) }
                } catch {
                    await host.endInstalling(head.slot)
                    throw error
                }
                await host.endInstalling(head.slot)
                try answer(.installed)
                return .now - begun
            }
        }
        throw SnapshotFailure(reason: "the stream ended before the snapshot")
    }

    private func answer(_ answer: SnapshotAnswer) throws {
        guard stream.send(answer.encoded()) else { throw SnapshotFailure(reason: "the stream takes no more") }
    }
}

extension SlotNode {
    func receiveSnapshot(
        _ offer: SnapshotOffer, _ items: AsyncThrowingStream<SnapshotItem, any Error>, on stream: any TransportStream
    ) async {
        var logger = environment.logger
        logger[metadataKey: "slot"] = "\(offer.head.slot)"
        do {
            guard await snapshotTurns.take() else { throw SnapshotFailure(reason: "too many snapshots wait") }
            let duration: Duration
            do {
                duration = try await SnapshotReceiver(
                    offer: offer, store: environment.store, writer: environment.writer, disks: environment.movers,
                    host: host(offer.head.slot), stream: stream, limits: environment.limits
                ).run(items)
            } catch {
                await snapshotTurns.leave()
                throw error
            }
            await snapshotTurns.leave()
            logger.info(
                "a snapshot is installed",
                metadata: [
                    "index": "\(offer.head.applied.index)", "ms": "\(Int(duration / .milliseconds(1)))",
                ])
        } catch let failure as StorageFailure where !failure.isLocal {
            environment.fail(failure)
        } catch {
            logger.info("a snapshot is not taken", metadata: ["reason": "\(error)"])
            _ = stream.send(SnapshotAnswer.refused("\(error)").encoded())
            stream.close("the snapshot is not taken")
        }
    }
}

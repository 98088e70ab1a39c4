import Identity
import NIOCore
import Storage
import Synchronization
import Transport
import Wire

/// Sends one slot's snapshot to a learner (DESIGN §6.9): SST files cut from one RocksDB snapshot, piece by piece, as
/// fast as the learner writes them and no faster than the limit.
struct SnapshotSender: Sendable {
    let slot: Slot
    let epoch: Epoch
    let address: NodeAddress
    let client: any CallClient
    let store: Store
    let disks: BoundedPool
    let limits: SlotLimits

    /// - Returns: how far the slot is applied on the learner.
    /// - Throws: what went wrong; the learner has then what it had, or nothing.
    func run() async throws -> StateStore.Applied {
        let snapshot = try await disks.run { [store, slot] in try store.state.export(slot) }
        defer { snapshot.close() }
        let answers = StreamItems<SnapshotAnswer>()
        let stream = try await client.openStream(
            .snapshot, body: SnapshotOffer(epoch: epoch, head: snapshot.head).encoded(), to: address, lane: .bulk,
            receiver: answers)
        defer { stream.close("the snapshot is sent") }
        let watch = Watchdog(limits.snapshotPatience) { stream.close("the snapshot makes no progress") }
        defer { watch.stop() }
        var iterator = answers.items.makeAsyncIterator()
        guard try await next(&iterator, watch) == .ready else { throw SnapshotFailure(reason: "no readiness") }
        let parts = try await sendParts(of: snapshot, on: stream, &iterator, watch)
        try send(.end(parts: parts), on: stream)
        while true {
            switch try await next(&iterator, watch) {
            case .installed: return snapshot.head.applied
            case .received: continue
            case .ready, .refused: throw SnapshotFailure(reason: "an answer that does not belong here")
            }
        }
    }

    private func sendParts(
        of snapshot: SlotSnapshot, on stream: any TransportStream,
        _ answers: inout AsyncThrowingStream<SnapshotAnswer, any Error>.Iterator, _ watch: Watchdog
    ) async throws -> Int {
        var parts = 0
        var sent = 0
        var received = 0
        while let part = try await disks.run({ try snapshot.nextPart() }) {
            parts += 1
            try send(.part(part), on: stream)
            var offset = 0
            while offset < part.size {
                let piece = limits.snapshotPiece
                let bytes = try await disks.run { [offset] in try snapshot.read(from: offset, maximumBytes: piece) }
                guard bytes.readableBytes > 0 else { throw SnapshotFailure(reason: "a part ends early") }
                offset += bytes.readableBytes
                sent += bytes.readableBytes
                try send(.bytes(bytes), on: stream)
                try await Task.sleep(
                    for: .seconds(1) * (Double(bytes.readableBytes) / Double(limits.snapshotBytesPerSecond)))
                while sent - received > limits.snapshotWindow {
                    guard case .received(let count) = try await next(&answers, watch) else {
                        throw SnapshotFailure(reason: "an answer that does not belong here")
                    }
                    received = count
                }
            }
        }
        return parts
    }

    private func send(_ item: SnapshotItem, on stream: any TransportStream) throws {
        guard stream.send(item.encoded()) else { throw SnapshotFailure(reason: "the stream takes no more") }
    }

    private func next(
        _ answers: inout AsyncThrowingStream<SnapshotAnswer, any Error>.Iterator, _ watch: Watchdog
    ) async throws -> SnapshotAnswer {
        guard let answer = try await answers.next() else { throw CancellationError() }
        watch.progressed()
        if case .refused(let reason) = answer { throw SnapshotFailure(reason: reason) }
        return answer
    }
}

/// Ends something that makes no progress for a time.
final class Watchdog: Sendable {
    private let task: Task<Void, Never>
    private let last: Progress

    private final class Progress: Sendable {
        let time = Mutex(ContinuousClock.now)
    }

    init(_ patience: Duration, _ end: @escaping @Sendable () -> Void) {
        let last = Progress()
        self.last = last
        task = Task {
            while !Task.isCancelled {
                let deadline = last.time.withLock { $0 } + patience
                if ContinuousClock.now >= deadline { return end() }
                try? await Task.sleep(until: deadline, clock: .continuous)
            }
        }
    }

    func progressed() { last.time.withLock { $0 = .now } }
    func stop() { task.cancel() }
}

import Coordination
import NIOCore
import Synchronization
import Transport
import Wire

/// One watch over the transport: an actor that its consumer pulls from, and that opens a stream anew when one ends.
///
/// A transaction's changes share one revision, and a connection may break between them. So a new stream starts before
/// the last revision seen, and the changes of that revision that were seen are skipped: their order is always the same.
actor RemoteWatch {
    private let prefix: String
    private let coordinator: RemoteCoordinator
    private var inbox: WatchInbox?
    private var lastRevision: UInt64
    /// How many changes of `lastRevision` were given out; 0 means that the consumer had that revision from elsewhere.
    private var seenOfLast = 0
    /// How many changes of `lastRevision` the present stream still repeats.
    private var toSkip = 0

    init(prefix: String, after revision: UInt64, coordinator: RemoteCoordinator) {
        self.prefix = prefix
        self.coordinator = coordinator
        lastRevision = revision
    }

    deinit { inbox?.close() }

    /// The next change; `nil` when the task is cancelled.
    func next() async throws(CoordinatorFailure) -> CoordinatorChange? {
        let settings = coordinator.settings
        var backoff = Backoff(initial: settings.firstPause, maximum: settings.longestPause)
        while !Task.isCancelled {
            guard let inbox else {
                do throws(CallFailure) { try await open() } catch {
                    if case .refused(let reason) = error { throw .invalid(reason) }
                    guard await backoff.pause() else { return nil }
                }
                continue
            }
            switch await inbox.next() {
            case .item(.change(let change)):
                if let change = admit(change) { return change }
            case .item(.failed(let failure)):
                close()
                // Only these two will not pass by themselves.
                guard case .unavailable = failure else { throw failure }
                guard await backoff.pause() else { return nil }
            case .ended:
                close()
                guard await backoff.pause() else { return nil }
            case .cancelled:
                return nil
            }
        }
        return nil
    }

    private func admit(_ change: CoordinatorChange) -> CoordinatorChange? {
        if change.revision == lastRevision, toSkip > 0 {
            toSkip -= 1
            return nil
        }
        if change.revision != lastRevision {
            lastRevision = change.revision
            seenOfLast = 0
            toSkip = 0
        }
        seenOfLast += 1
        return change
    }

    private func open() async throws(CallFailure) {
        let inbox = WatchInbox()
        let after = seenOfLast > 0 ? lastRevision - 1 : lastRevision
        toSkip = seenOfLast
        let stream = try await coordinator.open(CoordinatorWatchRequest(prefix: prefix, after: after), inbox)
        inbox.attach(stream)
        self.inbox = inbox
    }

    private func close() {
        inbox?.close()
        inbox = nil
    }
}

/// What has come in on a watch's stream and was not pulled yet. Credit is given as items are pulled, so the stream's
/// window bounds it.
final class WatchInbox: StreamReceiver {
    enum Next: Sendable {
        case item(CoordinatorWatchItem)
        case ended(String)
        case cancelled
    }

    fileprivate struct State {
        var items: [ByteBuffer] = []
        var taken = 0
        var ended: String?
        var stream: (any TransportStream)?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func attach(_ stream: any TransportStream) { state.withLock { $0.stream = stream } }

    func close() {
        state.withLock { state in
            defer { state.stream = nil }
            return state.stream
        }?.close("the watch is no longer needed")
    }

    func received(_ item: ByteBuffer, on stream: any TransportStream) {
        wake { $0.items.append(item) }
    }

    func closed(_ reason: String, on stream: any TransportStream) {
        wake { $0.ended = $0.ended ?? reason }
    }

    private func wake(after change: (inout State) -> Void) {
        state.withLock { state in
            change(&state)
            defer { state.waiter = nil }
            return state.waiter
        }?.resume()
    }

    func next() async -> Next {
        while true {
            let (found, stream) = state.withLock { state -> (Next?, (any TransportStream)?) in
                if state.taken < state.items.count { return (state.take(), state.stream) }
                return (state.ended.map { .ended($0) }, nil)
            }
            stream?.consumed(1)
            if let found { return found }
            if Task.isCancelled { return .cancelled }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let waits = state.withLock { state in
                        guard state.taken == state.items.count, state.ended == nil, !Task.isCancelled else {
                            return false
                        }
                        state.waiter = continuation
                        return true
                    }
                    if !waits { continuation.resume() }
                }
            } onCancel: {
                wake { _ in }
            }
        }
    }
}

extension WatchInbox.State {
    /// The first item, decoded; one that cannot be read ends the stream, and the watch begins again.
    fileprivate mutating func take() -> WatchInbox.Next {
        let item = items[taken]
        taken += 1
        if taken == items.count {
            items.removeAll(keepingCapacity: true)
            taken = 0
        }
        do throws(FieldError) { return .item(try CoordinatorWatchItem(decoding: item)) } catch {
            return .ended("a watch item cannot be read: \(error)")
        }
    }
}

import Coordination
import Identity
import NIOCore
import Placement
import Synchronization

/// The shared copy of ``ClusterState`` that every thread of the process reads, and the wake-ups that hang on it.
///
/// Reads take an uncontended lock for the time of a look-up in memory; writes are rare.
final class ClusterViewStore: ClusterView {
    /// More consumers of ``changes()`` at once than a process has parts.
    static let maximumSubscribers = 256

    private struct Waiter {
        var slot: Slot
        var epoch: Epoch
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct Subscriber {
        weak var mailbox: ChangeMailbox?
    }

    private struct Contents {
        var state = ClusterState()
        var waiters: [UInt64: Waiter] = [:]
        var nextWaiter: UInt64 = 0
        var subscribers: [Subscriber] = []
        var isClosed = false
    }

    private let contents = Mutex(Contents())

    func row(_ slot: Slot) -> ShardMapRow? { contents.withLock { $0.state.row(slot) } }
    var clusterSettings: ClusterSettings { contents.withLock { $0.state.settings } }
    func held(_ slot: Slot) -> ShardMapRows.Held? { contents.withLock { $0.state.held(slot) } }
    func node(_ id: NodeID) -> NodeRecord? { contents.withLock { $0.state.nodes[id] } }
    var nodes: [NodeRecord] { contents.withLock { Array($0.state.nodes.values) }.sorted { $0.id < $1.id } }
    var rows: [ShardMapRow] { contents.withLock { $0.state.rows }.compactMap { $0 } }

    func changes() -> AsyncStream<ClusterChange> {
        let mailbox = ChangeMailbox()
        contents.withLock { contents in
            contents.subscribers.removeAll { $0.mailbox?.isFinished ?? true }
            precondition(
                contents.subscribers.count < ClusterViewStore.maximumSubscribers, "cluster change streams leak")
            if contents.isClosed { mailbox.finish() } else { contents.subscribers.append(Subscriber(mailbox: mailbox)) }
        }
        return AsyncStream(unfolding: { await mailbox.next() }, onCancel: { mailbox.finish() })
    }

    func waitForRow(_ slot: Slot, atLeast epoch: Epoch, deadline: NIODeadline) async {
        let wait = deadline - .now()
        guard wait > .zero, !isKnown(slot, epoch) else { return }
        let id = contents.withLock { contents in
            contents.nextWaiter += 1
            return contents.nextWaiter
        }
        let alarm = Task { [weak self] in
            try? await Task.sleep(for: .nanoseconds(wait.nanoseconds))
            self?.wake(id)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = contents.withLock { contents in
                    guard !contents.isClosed, !Task.isCancelled, NIODeadline.now() < deadline,
                        contents.state.row(slot).map({ $0.epoch < epoch }) ?? true
                    else { return false }
                    contents.waiters[id] = Waiter(slot: slot, epoch: epoch, continuation: continuation)
                    return true
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            wake(id)
        }
        alarm.cancel()
    }

    private func isKnown(_ slot: Slot, _ epoch: Epoch) -> Bool { row(slot).map { $0.epoch >= epoch } ?? false }

    private func wake(_ id: UInt64) {
        contents.withLock { $0.waiters.removeValue(forKey: id) }?.continuation.resume()
    }

    /// Changes the state and tells everybody whom the change concerns.
    func update<Result: Sendable>(
        _ change: (inout ClusterState) -> (steps: [ClusterState.Step], result: Result)
    ) -> (steps: [ClusterState.Step], result: Result) {
        let (outcome, woken, mailboxes) = contents.withLock { contents in
            let outcome = change(&contents.state)
            var woken: [Waiter] = []
            for (id, waiter) in contents.waiters {
                guard let row = contents.state.row(waiter.slot), row.epoch >= waiter.epoch else { continue }
                woken.append(waiter)
                contents.waiters[id] = nil
            }
            // Offered under the lock, so that all consumers see changes in one order.
            let mailboxes = contents.subscribers.compactMap(\.mailbox)
            for case .changed(let change) in outcome.steps {
                for mailbox in mailboxes { mailbox.offer(change) }
            }
            return (outcome, woken, mailboxes)
        }
        for waiter in woken { waiter.continuation.resume() }
        _ = mailboxes
        return outcome
    }

    func close() {
        let (waiters, mailboxes) = contents.withLock { contents in
            contents.isClosed = true
            let waiters = Array(contents.waiters.values)
            contents.waiters.removeAll()
            let mailboxes = contents.subscribers.compactMap(\.mailbox)
            contents.subscribers.removeAll()
            return (waiters, mailboxes)
        }
        for waiter in waiters { waiter.continuation.resume() }
        for mailbox in mailboxes { mailbox.finish() }
    }
}

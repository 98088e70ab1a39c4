import NIOCore
import Synchronization

/// Hands commands from any thread to one event loop, with one wake-up for a burst of them.
///
/// The lock is held for one append or one swap. It stands in for the lock that `EventLoop.execute` would take for each
/// command, and saves that call's closure: a burst of a thousand commands costs one wake-up.
final class Mailbox<Command: Sendable>: Sendable {
    typealias Consumer = ([Command]) -> Void

    private struct State {
        var commands: [Command] = []
        var isScheduled = false
    }

    let eventLoop: any EventLoop
    private let state = Mutex(State())
    private let consumer: NIOLoopBoundBox<Consumer?>
    private let makeConsumer: @Sendable (Mailbox<Command>) -> Consumer

    /// - Parameter makeConsumer: called once, on the event loop, before the first commands are consumed.
    init(eventLoop: any EventLoop, makeConsumer: @escaping @Sendable (Mailbox<Command>) -> Consumer) {
        self.eventLoop = eventLoop
        consumer = .makeEmptyBox(valueType: Consumer.self, eventLoop: eventLoop)
        self.makeConsumer = makeConsumer
    }

    func post(_ command: Command) {
        let wakes = state.withLock { state in
            state.commands.append(command)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if wakes { eventLoop.execute { self.drain() } }
    }

    private func drain() {
        let commands = state.withLock { state in
            var taken: [Command] = []
            swap(&taken, &state.commands)
            state.isScheduled = false
            return taken
        }
        let consume: Consumer
        if let known = consumer.value {
            consume = known
        } else {
            consume = makeConsumer(self)
            consumer.value = consume
        }
        consume(commands)
    }

    /// On the event loop: drops what is posted from now on, and lets go of the consumer.
    func close() { consumer.value = { _ in } }

    /// On the event loop: sets the consumer in place of the one that would be made.
    func consume(with consumer: @escaping Consumer) { self.consumer.value = consumer }
}

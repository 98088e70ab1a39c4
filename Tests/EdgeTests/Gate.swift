/// A gate that waiters pass once it is opened.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }
    func open() { continuation.finish() }
    /// Returns when the gate is open, or the task is cancelled.
    func wait() async { for await _ in stream {} }
}

import Dispatch
import Glibc

/// SIGTERM and SIGINT as a sequence: the first asks for a graceful end, a second one ends the process at once.
public struct TerminationSignals {
    /// SIGTERM or SIGINT, as often as they come.
    public let received: AsyncStream<Int32>
    /// Kept, since a source that is freed delivers nothing.
    private let sources: [any DispatchSourceSignal]

    /// From here on the signals no longer end the process by themselves.
    public init() {
        // A peer that closes shows as an error of the write.
        signal(SIGPIPE, SIG_IGN)
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self, bufferingPolicy: .bufferingNewest(2))
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(number) }
            source.resume()
            return source
        }
        received = stream
    }

    /// Waits for the first signal; from then on a second one ends the process.
    public func first() async -> Int32 {
        var iterator = received.makeAsyncIterator()
        let first = await iterator.next() ?? SIGTERM
        for number in [SIGTERM, SIGINT] { signal(number, SIG_DFL) }
        return first
    }
}

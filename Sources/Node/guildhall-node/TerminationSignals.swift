import Dispatch
import Glibc

/// SIGTERM and SIGINT as a sequence: the first asks for a graceful end, a second one ends the process at once.
struct TerminationSignals {
    let received: AsyncStream<Int32>
    /// Kept, since a source that is freed delivers nothing.
    private let sources: [any DispatchSourceSignal]

    init() {
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
    func first() async -> Int32 {
        var iterator = received.makeAsyncIterator()
        let first = await iterator.next() ?? SIGTERM
        for number in [SIGTERM, SIGINT] { signal(number, SIG_DFL) }
        return first
    }
}

/// Lets the process hold as many sockets as its hard limit allows.
enum DescriptorLimit {
    static func raise() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        // Refused only where the system says no: the connection limit then shows as failed accepts.
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

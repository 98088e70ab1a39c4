// Dispatch's sources may be used from any thread; the module does not say so to the compiler.
@preconcurrency import Dispatch
import Foundation

/// The signals that ask a process to stop, as a sequence.
enum StopSignal {
    /// SIGINT, SIGTERM and SIGHUP as they come, from now on. They no longer end the process by themselves.
    static func stream() -> AsyncStream<Int32> {
        AsyncStream(bufferingPolicy: .bufferingOldest(8)) { continuation in
            let sources = [SIGINT, SIGTERM, SIGHUP].map { number in
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler { continuation.yield(number) }
                source.resume()
                return source
            }
            continuation.onTermination = { _ in
                for source in sources { source.cancel() }
            }
        }
    }
}

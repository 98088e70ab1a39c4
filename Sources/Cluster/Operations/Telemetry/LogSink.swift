import Dispatch
import Foundation
import Synchronization

/// Takes finished log lines from any thread and writes them to a descriptor on a queue of its own, so that no event
/// loop waits for a slow terminal or disk. Bounded: when the reader does not keep up, lines are dropped and counted.
public final class LogSink: Sendable {
    /// Bytes that wait for the descriptor; beyond it lines are dropped.
    static let capacity = 4 << 20

    private struct State {
        var pending: [UInt8] = []
        var dropped = 0
        var isScheduled = false
    }

    private let descriptor: Int32
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "log")

    public init(descriptor: Int32 = STDERR_FILENO) { self.descriptor = descriptor }

    func write(_ line: [UInt8]) {
        let schedules = state.withLock { state in
            guard state.pending.count + line.count <= LogSink.capacity else {
                state.dropped += 1
                return false
            }
            state.pending.append(contentsOf: line)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if schedules { queue.async { self.drain() } }
    }

    private func drain() {
        while true {
            let (bytes, dropped) = state.withLock { state in
                var taken: [UInt8] = []
                swap(&taken, &state.pending)
                let dropped = state.dropped
                state.dropped = 0
                if taken.isEmpty { state.isScheduled = false }
                return (taken, dropped)
            }
            if bytes.isEmpty { return }
            put(bytes)
            if dropped > 0 { put(Array("log: \(dropped) lines dropped: the reader is too slow\n".utf8)) }
        }
    }

    private func put(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                // A closed or broken descriptor cannot be reported anywhere: the lines are lost.
                if count < 0, errno != EINTR { return }
                if count > 0 { rest = rest.dropFirst(count) }
            }
        }
    }

    /// Returns when every line so far is written; before a process exits.
    public func flush() { queue.sync { drain() } }
}

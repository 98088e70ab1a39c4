import Foundation
import Synchronization

/// How far a long command is, on standard error: a bar on a terminal, else a line for each tenth.
final class ProgressBar: Sendable {
    private struct State {
        var done = 0
        var bytes = 0
        var shown = -1
        var drawn = ContinuousClock.now - .seconds(1)
    }

    private let title: String
    private let total: Int
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let state = Mutex(State())

    init(_ title: String, total: Int) {
        self.title = title
        self.total = total
    }

    func advance(bytes: Int = 0) {
        let line = state.withLock { state -> String? in
            state.done += 1
            state.bytes += bytes
            let percent = state.done * 100 / max(total, 1)
            if isTerminal {
                guard state.drawn.duration(to: .now) > .milliseconds(100) || state.done == total else { return nil }
                state.drawn = .now
            } else {
                guard percent / 10 > state.shown / 10 || state.shown < 0 else { return nil }
                state.shown = percent
            }
            let filled = state.done * 30 / max(total, 1)
            let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
            return "\(title) [\(bar)] \(state.done)/\(total) slots, \(ProgressBar.text(bytes: state.bytes))"
        }
        guard let line else { return }
        if isTerminal {
            let isLast = state.withLock { $0.done == total }
            try? FileHandle.standardError.write(contentsOf: Data(("\r\(line)" + (isLast ? "\n" : "")).utf8))
        } else {
            Console.note(line)
        }
    }

    static func text(bytes: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1_024, unit + 1 < units.count {
            value /= 1_024
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : "\((value * 10).rounded() / 10) \(units[unit])"
    }
}

import Foundation

/// One line on a terminal that is drawn over itself; where there is no terminal, a line at each tenth.
struct ProgressLine {
    private static let width = 30
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var lastTenth = -1

    init() {}

    mutating func show(_ part: Double, _ text: String) {
        let part = min(1, max(0, part))
        let percent = String(Int(part * 100))
        if isTerminal {
            let full = Int(part * Double(ProgressLine.width))
            let bar = String(repeating: "#", count: full) + String(repeating: ".", count: ProgressLine.width - full)
            try? FileHandle.standardError.write(contentsOf: Data("\r[\(bar)] \(percent)% \(text)\u{1b}[K".utf8))
        } else if Int(part * 10) > lastTenth {
            lastTenth = Int(part * 10)
            Console.note("\(percent)% \(text)")
        }
    }

    /// Goes on to the next line.
    func end() {
        if isTerminal { Console.note("") }
    }
}

import Identity

/// Which epoch each entry of a log has, as spans: an epoch's entries are consecutive, and later epochs lie higher.
///
/// Covers the entries after ``base``; what lies before is trimmed or applied and committed.
public struct EpochSpans: Hashable, Sendable {
    private struct Span: Hashable, Sendable {
        var epoch: Epoch
        var first: LogIndex
    }

    /// The position before the first entry that is known.
    public private(set) var base: LogPosition
    public private(set) var last: LogPosition
    private var spans: [Span] = []

    public init(base: LogPosition) {
        self.base = base
        last = base
    }

    public mutating func append(_ position: LogPosition) {
        precondition(position.index == last.index.next, "a log has no gaps")
        precondition(position.epoch >= last.epoch, "epochs rise along a log")
        if spans.last?.epoch != position.epoch { spans.append(Span(epoch: position.epoch, first: position.index)) }
        last = position
    }

    /// The epoch of the entry at `index`; `nil` below the base and above the last entry.
    public func epoch(at index: LogIndex) -> Epoch? {
        if index == base.index { return base.epoch }
        guard index > base.index, index <= last.index else { return nil }
        return spans.last { $0.first <= index }?.epoch
    }

    public func position(at index: LogIndex) -> LogPosition? {
        epoch(at: index).map { LogPosition(epoch: $0, index: index) }
    }

    /// The last entry whose epoch is at most `epoch`, and whose index is at most `index`; the base when there is none.
    public func last(notAfter epoch: Epoch, atMost index: LogIndex) -> LogPosition {
        var end = last.index
        for span in spans.reversed() {
            if span.epoch <= epoch, span.first <= index {
                return LogPosition(epoch: span.epoch, index: min(end, index))
            }
            end = LogIndex(rawValue: span.first.rawValue - 1)
        }
        return base
    }

    /// Forgets the entries from `index` on.
    public mutating func cut(from index: LogIndex) {
        precondition(index > base.index, "what lies below the base is committed")
        guard index <= last.index else { return }
        while let span = spans.last, span.first >= index { spans.removeLast() }
        let end = LogIndex(rawValue: index.rawValue - 1)
        last = end == base.index ? base : LogPosition(epoch: spans.last?.epoch ?? base.epoch, index: end)
    }

    /// Forgets what lies through `index`: it is trimmed from the log.
    public mutating func trim(through index: LogIndex) {
        guard index > base.index, let position = position(at: index) else { return }
        base = position
        while spans.count > 1, spans[1].first <= index.next { spans.removeFirst() }
        if let first = spans.first, first.first <= index {
            if index == last.index { spans = [] } else { spans[0].first = index.next }
        }
    }
}

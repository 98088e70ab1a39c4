import Identity
import Replication
import Testing

@Suite struct EpochSpansTests {
    static func position(_ epoch: UInt64, _ index: UInt64) -> LogPosition {
        LogPosition(epoch: Epoch(rawValue: epoch), index: LogIndex(rawValue: index))
    }

    /// Entries 11–13 of epoch 2, 14–15 of epoch 4, 16 of epoch 7, above 1/10.
    static func spans() -> EpochSpans {
        var spans = EpochSpans(base: position(1, 10))
        for (epoch, index) in [(2, 11), (2, 12), (2, 13), (4, 14), (4, 15), (7, 16)] as [(UInt64, UInt64)] {
            spans.append(position(epoch, index))
        }
        return spans
    }

    @Test func knowsTheEpochOfEachEntry() {
        let spans = Self.spans()
        let epochs = (9...17).map { spans.epoch(at: LogIndex(rawValue: $0))?.rawValue }
        #expect(epochs == [nil, 1, 2, 2, 2, 4, 4, 7, nil])
    }

    @Test func findsTheLastEntryNotAfterAnEpoch() {
        let spans = Self.spans()
        func last(_ epoch: UInt64, _ index: UInt64) -> LogPosition {
            spans.last(notAfter: Epoch(rawValue: epoch), atMost: LogIndex(rawValue: index))
        }
        #expect(last(9, 99) == Self.position(7, 16))
        #expect(last(6, 99) == Self.position(4, 15))
        #expect(last(4, 14) == Self.position(4, 14))
        #expect(last(3, 15) == Self.position(2, 13))
        #expect(last(1, 99) == Self.position(1, 10))
    }

    @Test func cuttingAndTrimmingKeepTheRest() {
        var spans = Self.spans()
        spans.cut(from: LogIndex(rawValue: 15))
        #expect(spans.last == Self.position(4, 14))
        spans.trim(through: LogIndex(rawValue: 12))
        #expect(spans.base == Self.position(2, 12))
        #expect(spans.epoch(at: LogIndex(rawValue: 13)) == Epoch(rawValue: 2))
        spans.append(Self.position(8, 15))
        spans.trim(through: LogIndex(rawValue: 15))
        #expect(spans.base == Self.position(8, 15))
        #expect(spans.last == spans.base)
        spans.append(Self.position(8, 16))
        #expect(spans.epoch(at: LogIndex(rawValue: 16)) == Epoch(rawValue: 8))
    }

    @Test func cuttingAllLeavesTheBase() {
        var spans = Self.spans()
        spans.cut(from: LogIndex(rawValue: 11))
        #expect(spans.last == Self.position(1, 10))
        spans.append(Self.position(9, 11))
        #expect(spans.last == Self.position(9, 11))
    }
}

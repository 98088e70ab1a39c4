import Identity
import NIOCore
import Replication
import Testing

@testable import Storage

@Suite struct LogReadingTests {
    static let slot = Slot(truncating: 3)

    private let folder: TemporaryFolder
    private let log: LogStore
    private let writer: LogWriter

    init() throws {
        folder = try TemporaryFolder()
        log = try LogStore(path: folder.path + "/log")
        writer = LogWriter(log: log)
        writer.writeAndWait(
            (5...30).map { .append(LogWriterTests.append($0)) }
                + (1...3).map {
                    .append(LogWriterTests.append($0, slot: Slot(truncating: 4)))
                })
    }

    private func entryBytes(_ index: UInt64) -> ByteBuffer { LogWriterTests.append(index).entry }

    @Test func rawEntriesAreThoseThatWereWrittenUpToABoundOfBytes() throws {
        let size = entryBytes(10).readableBytes
        let some = try log.rawEntries(Self.slot, from: LogIndex(rawValue: 10), maximumBytes: 3 * size + size / 2)
        #expect(some.map(\.position.index.rawValue) == [10, 11, 12])
        #expect(some.map(\.encoded) == [10, 11, 12].map { entryBytes($0) })
        #expect(some.allSatisfy { $0.position.epoch == Epoch(rawValue: 1) })
        // One at least, however large.
        #expect(try log.rawEntries(Self.slot, from: LogIndex(rawValue: 10), maximumBytes: 1).count == 1)
        #expect(try log.rawEntries(Self.slot, from: LogIndex(rawValue: 31), maximumBytes: 1 << 20) == [])
        // The log begins later, and ends before another slot's.
        #expect(try log.rawEntries(Self.slot, from: .zero, maximumBytes: 1 << 20).count == 26)
    }

    @Test func tellsWhereALogBeginsAndEndsAndTheEpochOfAnEntry() throws {
        #expect(try log.first(Self.slot) == LogPosition(epoch: Epoch(rawValue: 1), index: LogIndex(rawValue: 5)))
        #expect(try log.last(Self.slot) == LogPosition(epoch: Epoch(rawValue: 1), index: LogIndex(rawValue: 30)))
        #expect(try log.position(Self.slot, LogIndex(rawValue: 17))?.epoch == Epoch(rawValue: 1))
        #expect(try log.position(Self.slot, LogIndex(rawValue: 4)) == nil)
        #expect(try log.position(Self.slot, LogIndex(rawValue: 31)) == nil)
        writer.write([.trim(Self.slot, through: LogIndex(rawValue: 20))], observer: nil)
        writer.writeAndWait([.mark(Self.slot, nil)])
        #expect(try log.first(Self.slot)?.index == LogIndex(rawValue: 21))
        #expect(try log.first(Slot(truncating: 9)) == nil)
    }

    @Test func notesAreNoEntriesAndClearingALogForgetsItsEpochAlone() throws {
        let last = Slot(truncating: 1023)
        let other = Slot(truncating: 4)
        writer.writeAndWait([
            .know(other, Epoch(rawValue: 8)),
            .know(Self.slot, Epoch(rawValue: 7)), .know(last, Epoch(rawValue: 9)), .mark(last, .corrupt),
            .clear(Self.slot, generation: .next()), .clear(last, generation: .next()),
        ])
        // A disk without the slot's data does not say that it has held them; a marker stays until it is taken away.
        #expect(try log.knownEpochs() == [other: Epoch(rawValue: 8)])
        #expect(try log.markers() == [last: .corrupt])
        #expect(try log.last(last) == nil)
        writer.writeAndWait([.mark(last, nil), .know(last, Epoch(rawValue: 10))])
        #expect(try log.markers() == [:])
        #expect(try log.knownEpochs()[last] == Epoch(rawValue: 10))
    }

    /// Version 1 of an entry whose index does not lie in its first bytes, as another version may write it.
    @Test func findsAHeadThatDoesNotComeFirst() throws {
        var entry = entryBytes(31)
        var body = ByteBuffer()
        // An unknown field of a hundred bytes before all others.
        body.writeBytes([31 << 2 | 2, 100] + [UInt8](repeating: 1, count: 100))
        body.writeImmutableBuffer(entry.getSlice(at: 5, length: entry.readableBytes - 5)!)
        let checksum = body.withUnsafeReadableBytes { Checksum.crc32c($0) }
        entry.clear()
        entry.writeInteger(Entry.formatVersion)
        entry.writeInteger(checksum, endianness: .little)
        entry.writeImmutableBuffer(body)
        writer.writeAndWait([.append(.init(slot: Self.slot, index: LogIndex(rawValue: 31), entry: entry))])
        #expect(try log.last(Self.slot) == LogPosition(epoch: Epoch(rawValue: 1), index: LogIndex(rawValue: 31)))
    }
}

@Suite struct KnownEpochsTests {
    @Test func refusesWhatIsOlderThanTheHighestItHasMet() {
        let slot = Slot(truncating: 3)
        var known = KnownEpochs([slot: Epoch(rawValue: 5)])
        guard case .older(than: Epoch(rawValue: 5)) = known.meet(slot, Epoch(rawValue: 4)) else {
            Issue.record("an older epoch is let in")
            return
        }
        guard case .known = known.meet(slot, Epoch(rawValue: 5)) else {
            Issue.record("the known epoch is refused")
            return
        }
        guard case .raised(.know(slot, Epoch(rawValue: 8))) = known.meet(slot, Epoch(rawValue: 8)) else {
            Issue.record("a higher epoch is not to be written down")
            return
        }
        #expect(known[slot] == Epoch(rawValue: 8))
        #expect(known[Slot(truncating: 4)] == .zero)
    }
}

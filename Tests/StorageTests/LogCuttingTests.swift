import Foundation
import Identity
import NIOCore
import Replication
import Synchronization
import Testing

@testable import Storage

/// Keeps every report, in order.
private final class Reports: DurabilityObserver {
    private let kept = Mutex<[[Slot: Durability]]>([])
    var all: [[Slot: Durability]] { kept.withLock { $0 } }
    func durable(_ slots: [Slot: Durability]) { kept.withLock { $0.append(slots) } }
}

@Suite struct LogCuttingTests {
    static let slot = Slot(truncating: 3)
    static let other = Slot(truncating: 4)

    private let folder: TemporaryFolder
    private let log: LogStore
    private let writer: LogWriter
    private let reports = Reports()

    init() throws {
        folder = try TemporaryFolder()
        log = try LogStore(path: folder.path + "/log")
        writer = LogWriter(log: log)
    }

    private func append(
        _ indexes: ClosedRange<UInt64>, epoch: UInt64, slot: Slot = slot, generation: LogGeneration = .initial
    ) -> [LogChange] {
        indexes.map { index in
            let entry = Entry(
                slot: slot, epoch: Epoch(rawValue: epoch), index: LogIndex(rawValue: index),
                time: Timestamp(milliseconds: 0), idMark: Snowflake(rawValue: 0))
            return .append(.init(slot: slot, index: entry.index, entry: entry.encoded(), generation: generation))
        }
    }

    private func positions(_ slot: Slot = slot) throws -> [LogPosition] {
        var found: [LogPosition] = []
        try log.positions(slot, from: .zero) {
            found.append($0)
            return true
        }
        return found
    }

    private func expected(_ spans: (epoch: UInt64, indexes: ClosedRange<UInt64>)...) -> [LogPosition] {
        spans.flatMap { span in
            span.indexes.map { LogPosition(epoch: Epoch(rawValue: span.epoch), index: LogIndex(rawValue: $0)) }
        }
    }

    /// In one batch and in two, with the same result.
    @Test(arguments: [true, false])
    func aTailIsReplacedInOrderAndOtherSlotsKeepTheirs(inOneBatch: Bool) throws {
        let second = LogGeneration.next()
        let before = append(1...10, epoch: 1) + append(1...10, epoch: 1, slot: Self.other)
        let cut = [LogChange.truncate(Self.slot, from: LogIndex(rawValue: 6), generation: second)]
        let after = append(6...8, epoch: 2, generation: second)
        if inOneBatch {
            writer.write(before + cut + after, observer: reports)
        } else {
            for changes in [before, cut, after] {
                writer.write(changes, observer: reports)
                writer.writeAndWait([.mark(Self.other, nil)])
            }
        }
        writer.stop()
        #expect(try positions() == expected((1, 1...5), (2, 6...8)))
        #expect(try positions(Self.other) == expected((1, 1...10)))
        let last = reports.all.compactMap { $0[Self.slot] }.last
        #expect(last == Durability(generation: second, index: LogIndex(rawValue: 8)))
    }

    @Test func aReportNamesTheGenerationThatItSpeaksOf() throws {
        let second = LogGeneration.next()
        let third = LogGeneration.next()
        #expect(LogGeneration.initial < second && second < third)
        for changes in [
            append(1...9, epoch: 1), [.truncate(Self.slot, from: LogIndex(rawValue: 4), generation: second)],
            append(4...5, epoch: 2, generation: second),
            [.clear(Self.slot, generation: third)], append(21...22, epoch: 3, generation: third),
        ] {
            writer.write(changes, observer: reports)
            writer.writeAndWait([.mark(Self.other, nil)])
        }
        writer.stop()
        let told = reports.all.compactMap { $0[Self.slot] }
        #expect(
            told == [
                Durability(generation: .initial, index: LogIndex(rawValue: 9)),
                Durability(generation: second, index: LogIndex(rawValue: 3)),
                Durability(generation: second, index: LogIndex(rawValue: 5)),
                Durability(generation: third, index: .zero),
                Durability(generation: third, index: LogIndex(rawValue: 22)),
            ])
        #expect(try positions() == expected((3, 21...22)))
    }

    @Test func cuttingTheWholeLogLeavesNothing() throws {
        writer.write(
            append(1...3, epoch: 1) + [.truncate(Self.slot, from: .zero, generation: .next())], observer: nil)
        writer.stop()
        #expect(try log.first(Self.slot) == nil)
        #expect(try log.last(Self.slot) == nil)
    }

    @Test func whatWasCutAndWhatCameAfterItSurvivesAKill() async throws {
        let path = folder.path + "/killed"
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let log = try LogStore(path: path)
            let writer = LogWriter(log: log)
            let second = LogGeneration.next()
            let entry = { (index: UInt64, generation: LogGeneration) in
                var append = LogWriterTests.append(index, slot: LogCuttingTests.slot)
                append.generation = generation
                return LogChange.append(append)
            }
            writer.writeAndWait(
                (1...9).map { entry($0, .initial) }
                    + [
                        .truncate(LogCuttingTests.slot, from: LogIndex(rawValue: 5), generation: second),
                        entry(5, second), .know(LogCuttingTests.slot, Epoch(rawValue: 12)),
                    ])
            kill(getpid(), SIGKILL)
        }
        let log = try LogStore(path: path)
        #expect(try log.last(Self.slot)?.index == LogIndex(rawValue: 5))
        #expect(try log.knownEpochs() == [Self.slot: Epoch(rawValue: 12)])
    }
}

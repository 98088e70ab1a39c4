import Foundation
import Identity
import NIOCore
import Replication
import Storage
import Synchronization
import Testing

/// Collects what it is told and lets a test wait for an index.
final class DurableIndexes: DurabilityObserver {
    private let reached = Mutex<[Slot: LogIndex]>([:])
    private let news = DispatchSemaphore(value: 0)

    func durable(_ slots: [Slot: Durability]) {
        reached.withLock { reached in
            for (slot, report) in slots {
                guard let index = report.index else { continue }
                precondition(index > reached[slot] ?? .zero, "progress goes forward")
                reached[slot] = index
            }
        }
        news.signal()
    }

    func wait(_ slot: Slot, _ index: UInt64) -> Bool {
        while reached.withLock({ $0[slot] ?? .zero }) < LogIndex(rawValue: index) {
            guard news.wait(timeout: .now() + 30) == .success else { return false }
        }
        return true
    }
}

@Suite struct LogWriterTests {
    static let slot = Slot(truncating: 3)

    static func append(_ index: UInt64, slot: Slot = slot, size: Int = 300) -> LogWriter.Append {
        var entry = Entry(
            slot: slot, epoch: Epoch(rawValue: 1), index: LogIndex(rawValue: index),
            time: Timestamp(milliseconds: Int64(index)), idMark: Snowflake(rawValue: index))
        entry.operations = [.put(family: 1, key: [1], value: ByteBuffer(repeating: 120, count: size))]
        return LogWriter.Append(slot: slot, index: entry.index, entry: entry.encoded())
    }

    static func indexes(_ log: LogStore, _ slot: Slot = slot, from: UInt64 = 0) throws -> [UInt64] {
        var found: [UInt64] = []
        try log.entries(slot, from: LogIndex(rawValue: from)) {
            found.append($0.index.rawValue)
            return true
        }
        return found
    }

    @Test func whatIsDurableSurvivesAKill() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/log"
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let writer = LogWriter(log: try LogStore(path: path))
            let durability = DurableIndexes()
            for index in UInt64(1)...500 {
                writer.append([LogWriterTests.append(index)], observer: durability)
                writer.append([LogWriterTests.append(index, slot: Slot(truncating: 4))], observer: durability)
            }
            guard durability.wait(LogWriterTests.slot, 500), durability.wait(Slot(truncating: 4), 500) else { exit(1) }
            kill(getpid(), SIGKILL)
        }
        let log = try LogStore(path: path)
        #expect(try Self.indexes(log) == Array(1...500))
        #expect(try Self.indexes(log, from: 499) == [499, 500])
        #expect(try Self.indexes(log, Slot(truncating: 4)).count == 500)
        #expect(try log.last(Self.slot)?.index == LogIndex(rawValue: 500))
        #expect(try log.last(Slot(truncating: 5)) == nil)
    }

    @Test func entriesThatQueueUpDuringASyncShareTheNext() throws {
        let folder = try TemporaryFolder()
        let batches = Mutex<[Int]>([])
        let writer = LogWriter(
            log: try LogStore(path: folder.path + "/log"),
            report: { report in batches.withLock { $0.append(report.entries) } })
        let durability = DurableIndexes()
        for index in UInt64(1)...2000 { writer.append([Self.append(index)], observer: durability) }
        #expect(durability.wait(Self.slot, 2000))
        writer.stop()
        let sizes = batches.withLock { $0 }
        #expect(sizes.reduce(0, +) == 2000)
        #expect(sizes.count < 1000)
    }

    @Test func reportsEntriesAndTheirBytesAndNoTrims() throws {
        let folder = try TemporaryFolder()
        let total = Mutex((entries: 0, bytes: 0))
        let writer = LogWriter(
            log: try LogStore(path: folder.path + "/log"),
            report: { report in
                total.withLock { $0 = ($0.entries + report.entries, $0.bytes + report.bytes) }
            })
        let durability = DurableIndexes()
        let appends = (1...20).map { Self.append($0) }
        writer.append(appends, observer: durability)
        writer.trim(Self.slot, through: LogIndex(rawValue: 10))
        #expect(durability.wait(Self.slot, 20))
        writer.stop()
        #expect(total.withLock { $0.entries } == 20)
        #expect(total.withLock { $0.bytes } == appends.reduce(0) { $0 + $1.entry.readableBytes })
    }

    @Test func aBatchIsBoundedAndTheQueueSaysWhenItIsFull() throws {
        let folder = try TemporaryFolder()
        var limits = StoreLimits()
        limits.logBatch = 4096
        limits.logQueue = 64 << 10
        let largest = Mutex(0)
        let writer = LogWriter(
            log: try LogStore(path: folder.path + "/log"), limits: limits,
            report: { report in largest.withLock { $0 = max($0, report.bytes) } })
        let durability = DurableIndexes()
        writer.append((1...1000).map { Self.append($0, size: 1000) }, observer: durability)
        #expect(writer.isFull)
        #expect(durability.wait(Self.slot, 1000))
        writer.stop()
        #expect(!writer.isFull)
        #expect(largest.withLock { $0 } < 8192)
    }

    @Test func trimmingForgetsOneSlotsPastOnly() throws {
        let folder = try TemporaryFolder()
        let log = try LogStore(path: folder.path + "/log")
        let writer = LogWriter(log: log)
        let durability = DurableIndexes()
        let other = Slot(truncating: 4)
        writer.append((1...10).map { Self.append($0) }, observer: durability)
        writer.append((1...10).map { Self.append($0, slot: other) }, observer: durability)
        writer.trim(Self.slot, through: LogIndex(rawValue: 7))
        writer.stop()
        #expect(try Self.indexes(log) == [8, 9, 10])
        #expect(try Self.indexes(log, other) == Array(1...10))
    }

    private func writtenLog(_ folder: TemporaryFolder) throws -> URL {
        do {
            let writer = LogWriter(log: try LogStore(path: folder.path + "/log"))
            let durability = DurableIndexes()
            for index in UInt64(1)...20 {
                writer.append([Self.append(index)], observer: durability)
                #expect(durability.wait(Self.slot, index))
            }
            writer.stop()
        }
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/log")
        let wal = try #require(files.filter { $0.hasSuffix(".log") }.sorted().last)
        return URL(fileURLWithPath: folder.path + "/log/" + wal)
    }

    @Test func aTornTailIsCutOff() throws {
        let folder = try TemporaryFolder()
        let file = try writtenLog(folder)
        let data = try Data(contentsOf: file)
        try data.prefix(data.count - 100).write(to: file)
        #expect(try Self.indexes(try LogStore(path: folder.path + "/log")) == Array(1...19))
    }

    @Test func brokenBytesInTheMiddleRefuseToOpen() throws {
        let folder = try TemporaryFolder()
        let file = try writtenLog(folder)
        var data = try Data(contentsOf: file)
        data[data.count / 2] ^= 0xff
        try data.write(to: file)
        #expect(throws: StorageFailure.self) { try Self.indexes(try LogStore(path: folder.path + "/log")) }
    }

    @Test func aFailedWriteEndsTheProcessAndSaysWhy() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/log"
        let result = await #expect(processExitsWith: .exitCode(74), observing: [\.standardErrorContent]) {
            [path = path as String] in
            let writer = LogWriter(log: try LogStore(path: path))
            // The disk takes no more than this of one file.
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 64 << 10, rlim_max: 64 << 10)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let durability = DurableIndexes()
            for index in UInt64(1)...1000 { writer.append([LogWriterTests.append(index)], observer: durability) }
            _ = durability.wait(LogWriterTests.slot, 1000)
        }
        let words = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(words.contains("cannot go on: RocksDB: IO error"))
    }
}

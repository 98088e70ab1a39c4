import Domain
import Foundation
import Identity
import NIOCore
import Replication

@testable import Storage

/// A store with its log writer, in a folder.
final class StoreFixture {
    static let cluster = ClusterID(rawValue: String(repeating: "a", count: 32))!

    let store: Store
    let writer: LogWriter

    init(_ path: String, limits: StoreLimits = StoreLimits()) throws {
        store = try Store(folder: path, cluster: StoreFixture.cluster, limits: limits)
        writer = LogWriter(log: store.log)
    }

    deinit {
        writer.stop()
        store.close()
    }

    func apply(_ slot: Slot, _ operations: [Entry.Operation], index: UInt64) throws {
        try StateStoreTests.apply(store.state, operations, slot: slot, index: index)
    }

    /// Rows of all families, so many of each; the values are random, so that they cannot be compressed.
    func fill(_ slot: Slot, rows: Int, valueBytes: Int = 200, seed: UInt64 = 1, index: UInt64) throws {
        var state = seed
        for family in Family.allCases {
            var operations: [Entry.Operation] = []
            for row in 0..<rows {
                var value = ByteBuffer()
                for _ in 0..<(valueBytes / 8) {
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    value.writeInteger(state)
                }
                operations.append(
                    .put(
                        family: family.rawValue, key: [7, UInt8(row >> 8), UInt8(row & 255), family.rawValue],
                        value: value))
            }
            try apply(slot, operations, index: index)
        }
    }

    func append(_ slot: Slot, _ indexes: ClosedRange<UInt64>) {
        let durable = DurableIndexes()
        writer.append(indexes.map { LogWriterTests.append($0, slot: slot) }, observer: durable)
        precondition(durable.wait(slot, indexes.upperBound), "the log writer writes")
    }

    /// The sums of all families: equal for equal rows.
    func sums(_ slot: Slot) throws -> [Family: RowsChecksum] {
        let snapshot = store.state.snapshot(slot)
        var sums: [Family: RowsChecksum] = [:]
        for family in Family.allCases { sums[family] = try snapshot.checksum(family, from: [], upTo: nil).sum }
        return sums
    }

    /// Receives a snapshot of another store, and leaves the installing to the caller.
    func receive(_ snapshot: SlotSnapshot, chunk: Int = 10_000) throws -> (ingestion: SlotIngestion, parts: Int) {
        guard let ingestion = try store.ingest(snapshot.head, writer: writer) else { throw Busy() }
        var parts = 0
        while let part = try snapshot.nextPart() {
            try ingestion.begin(part)
            var offset = 0
            while offset < part.size {
                let bytes = try snapshot.read(from: offset, maximumBytes: chunk)
                offset += bytes.readableBytes
                guard try ingestion.write(bytes) == (offset == part.size) else { throw Busy() }
            }
            parts += 1
        }
        return (ingestion, parts)
    }

    struct Busy: Error {}
}

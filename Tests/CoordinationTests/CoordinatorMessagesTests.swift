import NIOCore
import Testing
import Wire

@testable import Coordination

@Suite struct CoordinatorMessagesTests {
    static let transaction = CoordinatorTransaction(
        conditions: [.absent("a"), .revision("b", 0), .revision("c", 1 << 40)],
        operations: [
            .put("a", ByteBuffer(), lease: nil),
            .put("b", ByteBuffer(bytes: [0, 255]), lease: CoordinatorLease(id: 7, duration: .seconds(10))),
            .delete("c"),
        ])
    static let failures: [CoordinatorFailure] = [.unavailable("why"), .leaseExpired, .compacted, .invalid("")]

    @Test(arguments: [
        CoordinatorRequest.get("k"), .list(prefix: ""), .commit(transaction), .grantLease(.milliseconds(1500)),
        .keepAlive(lease: 0), .revoke(lease: .max),
    ])
    func requestsSurviveTheWire(request: CoordinatorRequest) throws {
        #expect(try CoordinatorRequest(decoding: request.encoded()) == request)
    }

    @Test(
        arguments: [
            CoordinatorReply.entry(nil), .entry(CoordinatorEntry(key: "k", value: ByteBuffer(), revision: 9)),
            .listing(CoordinatorListing(entries: [], revision: 0)),
            .listing(
                CoordinatorListing(
                    entries: [CoordinatorEntry(key: "k", value: ByteBuffer(string: "v"), revision: 9)], revision: 12)),
            .committed(nil), .committed(3), .lease(CoordinatorLease(id: 3, duration: .seconds(10))), .done,
        ] + failures.map { .failed($0) })
    func repliesSurviveTheWire(reply: CoordinatorReply) throws {
        #expect(try CoordinatorReply(decoding: reply.encoded()) == reply)
    }

    @Test(arguments: [
        CoordinatorWatchItem.change(CoordinatorChange(key: "k", value: nil, revision: 4)),
        .change(CoordinatorChange(key: "k", value: ByteBuffer(), revision: 4)), .failed(.compacted),
    ])
    func watchItemsSurviveTheWire(item: CoordinatorWatchItem) throws {
        #expect(try CoordinatorWatchItem(decoding: item.encoded()) == item)
    }

    @Test func watchRequestsSurviveTheWire() throws {
        let request = CoordinatorWatchRequest(prefix: "slots/", after: .max)
        #expect(try CoordinatorWatchRequest(decoding: request.encoded()) == request)
    }

    @Test(arguments: [
        CoordinatorRecord.commit(revision: 5, []), .grant(lease: 2, .seconds(3)), .end(lease: 2, revision: 6),
        .commit(
            revision: 5,
            [
                .init(key: "a", value: ByteBuffer(), lease: nil), .init(key: "b", value: nil, lease: nil),
                .init(key: "c", value: ByteBuffer(string: "x"), lease: 2),
            ]),
    ])
    func recordsSurviveTheDisk(record: CoordinatorRecord) throws {
        #expect(try CoordinatorRecord(decoding: record.encoded()) == record)
    }

    @Test func everyTruncationIsRefusedOrDecodedNeverTrapped() {
        let bytes = CoordinatorRequest.commit(Self.transaction).encoded()
        for length in 0..<bytes.readableBytes {
            _ = try? CoordinatorRequest(decoding: bytes.getSlice(at: 0, length: length)!)
        }
        #expect(throws: FieldError.self) { try CoordinatorRequest(decoding: ByteBuffer()) }
        // A lease of 2^63 ms would overflow a duration's sum.
        var writer = FieldWriter()
        writer.write(4, UInt64(1) << 63)
        #expect(throws: FieldError.invalidField(4)) { try CoordinatorRequest(decoding: writer.buffer) }
    }
}

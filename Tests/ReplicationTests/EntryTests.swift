import Foundation
import Identity
import NIOCore
import Replication
import Testing
import Wire

@Suite struct EntryTests {
    static let entry: Entry = {
        var entry = Entry(
            slot: Slot(truncating: 77), epoch: Epoch(rawValue: 3), index: LogIndex(rawValue: 1_000_000),
            time: Timestamp(milliseconds: 1_790_000_000_123), idMark: Snowflake(rawValue: 0x1234_5678_9abc))
        entry.operations = [
            .put(family: 2, key: [1, 2, 3], value: ByteBuffer(string: "a row")),
            .put(family: 2, key: [9], value: ByteBuffer()),
            .delete(family: 3, key: [4]),
            .deleteRange(family: 5, from: [7], upTo: [7, 255]),
        ]
        entry.events = [ByteBuffer(string: "event"), ByteBuffer()]
        entry.request = Entry.Request(
            id: RequestID(mintedMilliseconds: 5, random: .max),
            reply: .reference(
                status: 201, operation: "get_message", parameters: ["channel_id": "1", "message_id": "2"]))
        entry.outbox = [Entry.OutboxItem(destination: Slot(truncating: 4), number: 9, effect: ByteBuffer(string: "e"))]
        return entry
    }()

    @Test func decodesToWhatWasEncoded() throws {
        #expect(try Entry(decoding: Self.entry.encoded()) == Self.entry)
    }

    @Test(arguments: [
        Entry.RememberedReply.pending(), .pending(resuming: [:]), .pending(resuming: ["user": "1"]),
        .inline(status: 204, body: ByteBuffer()),
        .inline(status: 200, body: ByteBuffer(string: "{}")),
    ])
    func keepsEveryFormOfReply(_ reply: Entry.RememberedReply) throws {
        var entry = Self.entry
        entry.request?.reply = reply
        #expect(try Entry(decoding: entry.encoded()).request?.reply == reply)
    }

    /// A dictionary's own order is another in each process, and replicas would hold different rows.
    @Test func rememberedParametersLieInTheOrderOfTheirNames() {
        let names = (0..<32).map { "parameter-\($0 + 10)" }
        let reply = Entry.RememberedReply.reference(
            status: 200, operation: "get_message", parameters: Dictionary(uniqueKeysWithValues: names.map { ($0, "") }))
        let bytes = Entry.Request(id: RequestID(mintedMilliseconds: 5, random: 1), reply: reply).encoded()
        let text = String(decoding: bytes.readableBytesView, as: UTF8.self)
        let places = names.map { text.range(of: $0)?.lowerBound }
        #expect(places.allSatisfy { $0 != nil } && places.compactMap(\.self) == places.compactMap(\.self).sorted())
    }

    @Test func refusesEveryFlippedBit() throws {
        let encoded = Self.entry.encoded()
        for position in 0..<encoded.readableBytes {
            for bit in 0..<8 {
                var broken = encoded
                let byte: UInt8 = try #require(broken.getInteger(at: position))
                broken.setInteger(byte ^ 1 << UInt8(bit), at: position)
                #expect(throws: EntryError.self) { try Entry(decoding: broken) }
            }
        }
    }

    @Test func refusesEveryTruncation() {
        let encoded = Self.entry.encoded()
        for length in 0..<encoded.readableBytes {
            #expect(throws: EntryError.self) { try Entry(decoding: encoded.getSlice(at: 0, length: length)!) }
        }
    }

    @Test func namesANewerFormat() {
        var encoded = Self.entry.encoded()
        encoded.setInteger(UInt8(200), at: 0)
        #expect(throws: EntryError.unknownFormat(200)) { try Entry(decoding: encoded) }
    }

    @Test func checksumIsCRC32C() {
        // RFC 3720, B.4: 32 bytes of zeroes, of ones, and rising.
        func checksum(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { Checksum.crc32c($0) } }
        #expect(checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(checksum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(checksum(Array(0..<32)) == 0x46dd_794e)
        #expect(checksum(Array("123456789".utf8)) == 0xe306_9283)
    }
}

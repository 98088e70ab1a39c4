import Identity
import NIOCore
import Testing
import Wire

@testable import Replication

/// The bytes in PROTOCOL.md, "Replication".
@Suite struct ReplicationVectorTests {
    private static let slot = Slot(truncating: 700)
    private static let epoch = Epoch(rawValue: 9)
    private static let life: UInt64 = 0x1122_3344_5566_7788

    private static func index(_ value: UInt64) -> LogIndex { LogIndex(rawValue: value) }

    private static func reply(_ result: AppendReply.Result, isBlank: Bool = false) -> ReplicationMessage {
        .appendReply(
            AppendReply(
                slot: slot, epoch: epoch, result: result, life: life, isBlank: isBlank, commitIndex: index(40)))
    }

    private static let messages: [(message: ReplicationMessage, bytes: String)] = [
        (
            .append(
                AppendMessage(
                    slot: slot, epoch: epoch, previous: LogPosition(epoch: Epoch(rawValue: 8), index: index(41)),
                    commitIndex: index(40), entries: [ByteBuffer(string: "entry1"), ByteBuffer(string: "entry2")])),
            "061b04bc0508090c08102914281a06656e747279311a06656e74727932"
        ),
        (
            reply(.durable(through: index(43))),
            "0a1204bc0508090c2b2188776655443322112828"
        ),
        (
            reply(.mismatch(hint: LogPosition(epoch: Epoch(rawValue: 8), index: index(40)))),
            "0a1404bc050809100814282188776655443322112828"
        ),
        (
            reply(.older(than: Epoch(rawValue: 10))),
            "0a1204bc050809180a2188776655443322112828"
        ),
        (
            reply(.blank, isBlank: true),
            "0a1404bc0508091c0121887766554433221124012828"
        ),
        (
            .beacon(.init(life: life, sequence: 5, claims: [.init(slot: slot, epoch: epoch)])),
            "0e1205887766554433221108050e0504bc050809"
        ),
        (
            .beaconReply(.init(life: life, sequence: 5, refused: [slot])),
            "120e05887766554433221108050cbc05"
        ),
        (
            .handOver(slot: slot, epoch: epoch),
            "160504bc050809"
        ),
        (
            .admission(slot: slot, epoch: epoch, life: life),
            "1a0e04bc0508090d8877665544332211"
        ),
    ]

    private func hexadecimal(_ buffer: ByteBuffer) -> String {
        buffer.readableBytesView.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test func messagesAreEncodedAsThePublishedVectorsSay() throws {
        for (message, bytes) in Self.messages {
            #expect(hexadecimal(message.encoded()) == bytes)
            #expect(try ReplicationMessage(decoding: message.encoded()) == message)
        }
    }

    @Test func aBatchHoldsMessagesInOrder() throws {
        let batch = ReplicationBatch(Self.messages.suffix(2).map(\.message))
        #expect(hexadecimal(batch.encoded()) == "0607160504bc05080906101a0e04bc0508090d8877665544332211")
        #expect(try ReplicationBatch(decoding: batch.encoded()) == batch)
    }
}

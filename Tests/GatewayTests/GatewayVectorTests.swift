import Foundation
import Identity
import NIOCore
import Placement
import Testing
import Wire

@testable import Gateway

/// The gateways' own messages, as `Vectors/gateway.txt` and PROTOCOL.md have them.
@Suite struct GatewayVectorTests {
    private static let root = RootEntity.guild(GuildID(rawValue: 0x0102_0304_0506_0708))
    private static let number = EventNumber(index: LogIndex(rawValue: 300), ordinal: 2)
    private static let channel = ChannelID(rawValue: 0x2122_2324_2526_2728)
    private static let id = SessionID(String(repeating: "0af1", count: 8) + "6731")!
    private static let token = Token(userID: UserID(rawValue: 0x1112_1314_1516_1718), tokenID: 77)

    private static func record() throws -> SessionRecord {
        let actor = Actor(profile: UserProfile(id: token.userID, username: "ann", isBot: true), tokenID: 77)
        var writer = FieldWriter()
        writer.write(2, id.description)
        writer.write(3, actor)
        var record = try SessionRecord(decoding: writer.buffer)
        record.intents = 513
        record.sequence = 9
        record.floor = 7
        record.settled = 7
        record.deliveries = [
            SessionRecord.Delivery(
                sequence: 8, tail: ByteBuffer(string: #""t":"X","op":0,"d":{}}"#), cause: .event(root, number)),
            SessionRecord.Delivery(sequence: 9, tail: ByteBuffer(string: #""t":"Y","op":0,"d":{}}"#)),
        ]
        record.roots = [SessionRecord.Root(entity: root, after: number, seen: [channel], isLive: true)]
        record.generation = 1
        return record
    }

    private static func group(_ header: JournalGroup.Header, _ entries: [(UInt32, Int)]) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeHeader(header)
        buffer.writeInteger(UInt32(entries.count), endianness: .little)
        for (session, sequence) in entries { buffer.writeEntry(session: session, sequence: sequence) }
        return buffer
    }

    private static let groups: [(String, JournalGroup)] = [
        ("JournalGroup.event", JournalGroup(header: .event(root, number), entries: [.init(session: 3, sequence: 9)])),
        (
            "JournalGroup.shift",
            JournalGroup(
                header: .shift(GuildID(rawValue: 0x0102_0304_0506_0708), channel, hasAppeared: true),
                entries: [.init(session: 3, sequence: 10)])
        ),
        ("JournalGroup.other", JournalGroup(header: .other, entries: [.init(session: 3, sequence: 11)])),
        (
            "JournalGroup.state",
            JournalGroup(
                header: .state(root, JournaledRoot(after: number, seen: [channel], isLive: true)),
                entries: [.init(session: 3, sequence: 11), .init(session: 4, sequence: 2)])
        ),
        (
            "JournalGroup.acknowledged",
            JournalGroup(header: .acknowledged, entries: [.init(session: 3, sequence: 5)])
        ),
    ]

    private static func encoded() throws -> [(name: String, bytes: ByteBuffer)] {
        var tick = JournalTick(loop: 1, number: 300)
        tick.groups = group(.event(root, number), [(3, 9)])
        tick.closed = [2]
        tick.opened = [JournalTick.Opened(number: 4, record: try record())]
        let pull = PullSessionRequest(
            id: id, token: token, taker: NodeID(rawValue: "g2")!, sequence: 9, kind: .journaled)
        var list: [(String, ByteBuffer)] = [
            ("SessionRecord", try record().encoded()),
            ("PullSessionRequest", pull.encoded()),
            ("PullSessionReply.moved", PullSessionReply.moved(NodeID(rawValue: "g2")!).encoded()),
            ("PullSessionReply.unknown", PullSessionReply.unknown.encoded()),
            ("PullSessionReply.journaled", PullSessionReply.journaled(generation: 1).encoded()),
            ("PullSessionReply.guarded", PullSessionReply.guarded.encoded()),
            ("JournalOpening", JournalOpening(startedAt: Timestamp(milliseconds: 1_700_000_000_123)).encoded()),
            ("JournalMessage.tick", JournalMessage.tick(tick).encoded()),
            ("JournalMessage.end", JournalMessage.end.encoded()),
            ("JournalReply", JournalReply(loop: 1, number: 300).encoded()),
        ]
        for (name, group) in groups {
            list.append((name, self.group(group.header, group.entries.map { ($0.session, $0.sequence) })))
        }
        return list
    }

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

    private static func lines(of file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
    }

    @Test func theMessagesAreEncodedAsTheVectorsAndTheDocumentSay() throws {
        let vectors = try GatewayVectorTests.lines(
            of: GatewayVectorTests.folder.appendingPathComponent("Vectors/gateway.txt"))
        let made = try GatewayVectorTests.encoded().map { name, bytes in
            name + " = "
                + bytes.readableBytesView.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        }
        #expect(vectors == made)
        let root = GatewayVectorTests.folder.deletingLastPathComponent().deletingLastPathComponent()
        let document = Set(try GatewayVectorTests.lines(of: root.appendingPathComponent("PROTOCOL.md")))
        for line in vectors { #expect(document.contains(line), "PROTOCOL.md lacks \(line)") }
    }

    @Test func whatIsReadEncodesToTheSame() throws {
        for (name, bytes) in try GatewayVectorTests.encoded() {
            let again: ByteBuffer
            switch name.split(separator: ".")[0] {
            case "SessionRecord": again = try SessionRecord(decoding: bytes).encoded()
            case "PullSessionRequest": again = try PullSessionRequest(decoding: bytes).encoded()
            case "PullSessionReply": again = try PullSessionReply(decoding: bytes).encoded()
            case "JournalOpening": again = try JournalOpening(decoding: bytes).encoded()
            case "JournalMessage": again = try JournalMessage(decoding: bytes).encoded()
            case "JournalReply": again = try JournalReply(decoding: bytes).encoded()
            default:
                var rest = bytes
                let group = try #require(try rest.readGroup())
                #expect(rest.readableBytes == 0)
                #expect(GatewayVectorTests.groups.contains { $0.1 == group }, "\(name)")
                continue
            }
            #expect(again == bytes, "\(name)")
        }
    }

    /// No byte string brings the reader down, and counts are checked before anything is allocated.
    @Test func aGroupThatIsCutOrChangedIsAGroupOrAnError() throws {
        for (name, bytes) in try GatewayVectorTests.encoded() where name.hasPrefix("JournalGroup") {
            for length in 1..<bytes.readableBytes {
                var cut = bytes.getSlice(at: 0, length: length)!
                #expect(throws: FieldError.self, "\(name) cut at \(length)") { try cut.readGroup() }
            }
            for position in 0..<bytes.readableBytes {
                for value: UInt8 in [0, 1, 5, 0x7f, 0xff] {
                    var changed = bytes
                    changed.setInteger(value, at: position)
                    _ = try? changed.readGroup()
                }
            }
        }
    }

    @Test func theOrderOfGatewaysIsThatOfTheDocument() {
        let nodes = ["gateway-1", "gateway-2", "gateway-3", "gateway-4"].map {
            NodeRecord(id: NodeID(rawValue: $0)!, roles: [.gateway], host: "", port: 0)
        }
        #expect(
            GatewayOrder.successors(of: GatewayVectorTests.id, among: nodes).map(\.id.rawValue)
                == GatewayVectorTests.order)
    }

    private static let order = ["gateway-1", "gateway-3", "gateway-2", "gateway-4"]
}

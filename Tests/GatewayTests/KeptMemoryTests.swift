import Domain
import Identity
import NIOCore
import Testing
import Wire

@testable import Gateway

/// What is kept for long holds no more memory than its own; what is read for a moment may share.
@Suite struct KeptMemoryTests {
    /// `bytes` as the transport hands them on: a slice of what was read.
    private func received(_ bytes: ByteBuffer) throws -> ByteBuffer {
        var large = ByteBuffer(repeating: 0, count: 256 << 10)
        let start = large.writerIndex
        large.writeImmutableBuffer(bytes)
        return try #require(large.getSlice(at: start, length: bytes.readableBytes))
    }

    @Test func aSmallPartOfALargeMemoryIsCopied() throws {
        let small = try received(ByteBuffer(string: "hello"))
        #expect(small.storageCapacity > 256 << 10)
        #expect(small.compacted() == small)
        #expect(small.compacted().storageCapacity <= 128)
        let whole = ByteBuffer(repeating: 1, count: 1 << 20)
        #expect(whole.compacted().storageCapacity == whole.storageCapacity)
    }

    @Test func aSessionThatMovedKeepsItsDeliveriesOnly() throws {
        var record = SessionRecord(
            Session(
                identity: Session.Identity(
                    id: SessionID(String(repeating: "a", count: 32) + "67617465776179")!,
                    actor: Actor(profile: UserProfile(id: World.bot, username: "robot", isBot: true), tokenID: 1),
                    intents: 1, version: 10, shard: 0, shardCount: 1, isSharded: false, largeThreshold: 50)),
            position: { _ in nil }, seen: { _ in nil })
        record.deliveries = [SessionRecord.Delivery(sequence: 1, tail: try received(ByteBuffer(string: "tail")))]
        let session = record.makeSession(now: .uptimeNanoseconds(0))
        let kept = try #require(session.replay.deliveries.first).dispatch.tail
        #expect(kept == ByteBuffer(string: "tail"))
        #expect(kept.storageCapacity <= 128)
    }

    @Test func aGuildsViewKeepsNoSnapshot() throws {
        let snapshot = try GuildSnapshot(decoding: received(World.snapshot().encoded()))
        #expect(snapshot.channels.allSatisfy { $0.json.storageCapacity > 256 << 10 })
        var view = GuildView(snapshot)
        view.add(snapshot.members[0])
        _ = view.apply(
            .channel(ChannelView(id: World.open, overwrites: [], json: try received(ByteBuffer(string: "{}")))))
        #expect(view.channels.allSatisfy { $0.json.storageCapacity <= 256 })
        #expect(view.members.values.allSatisfy { $0.json.storageCapacity <= 256 })
    }

    @Test func aLargeWriteDoesNotKeepItsMemory() {
        let scratch = OutputScratch()
        scratch.append(ByteBuffer(repeating: 7, count: 20 << 20))
        #expect(scratch.capacity >= 20 << 20)
        scratch.removeAll()
        #expect(scratch.capacity == 256 << 10)
        scratch.append(ByteBuffer(string: "after"))
        #expect(scratch.bytes() == ByteBuffer(string: "after"))
    }
}

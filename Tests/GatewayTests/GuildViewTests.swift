import NIOCore
import Testing
import Wire

@testable import Gateway

@Suite struct GuildViewTests {
    /// A channel whose JSON is a slice of something large, as all is that comes over a stream.
    static func channelOfALargeRead() -> ChannelView {
        var read = ByteBuffer(string: #"{"id":"501","type":0}"#)
        let length = read.readableBytes
        read.writeRepeatingByte(0, count: 1 << 16)
        var channel = World.channel(World.open)
        channel.json = read.readSlice(length: length) ?? ByteBuffer()
        return channel
    }

    @Test func keepsNothingOfWhatItWasReadWith() throws {
        var snapshot = World.snapshot()
        snapshot.channels = [Self.channelOfALargeRead()]
        var view = GuildView(snapshot)
        let kept = try #require(view.channel(World.open))
        #expect(String(buffer: kept.json) == #"{"id":"501","type":0}"#)
        #expect(kept.json.storageCapacity < 1024)

        _ = view.apply(.channel(Self.channelOfALargeRead()))
        let updated = try #require(view.channel(World.open))
        #expect(updated.json.storageCapacity < 1024)
    }
}

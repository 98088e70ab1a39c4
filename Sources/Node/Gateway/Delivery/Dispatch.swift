import Identity
import NIOCore

/// One event as it goes out to any number of sessions: all bytes of the payload but the few that differ.
///
/// A payload is a head, `{"s":7,`, and this shared tail, `"t":"MESSAGE_CREATE","op":0,"d":{…}}`. The tail is built
/// once, and compressed once when the first session needs it so. Confined to one loop.
final class Dispatch {
    /// Why sessions get it: what a journal needs to know of it.
    enum Cause: Hashable, Sendable {
        /// A durable event of this number.
        case event(RootEntity, EventNumber)
        /// A durable event by which a channel came or went.
        case channel(GuildID, ChannelID, hasAppeared: Bool, EventNumber)
        /// A channel came into a session's sight, or left it, without an event of its own.
        case shift(GuildID, ChannelID, hasAppeared: Bool)
        /// An ephemeral event, or an answer: it may be missing after a crash.
        case other
    }

    /// Tails below this many bytes are stored, not deflated: the blocks' own bytes would eat the gain.
    static let smallestDeflated = 64
    /// The longest head: `{"s":` and a comma around the digits of an `Int`.
    static let maximumHeadBytes = 32

    let tail: ByteBuffer
    let cause: Cause
    private var blocks: ByteBuffer?
    private var sum: UInt?

    init(tail: ByteBuffer, cause: Cause = .other) {
        self.tail = tail
        self.cause = cause
    }

    /// - Parameter payload: the JSON of `d`.
    convenience init(type: String, payload: ByteBuffer, cause: Cause = .other) {
        var tail = ByteBuffer()
        tail.reserveCapacity(type.utf8.count + payload.readableBytes + 24)
        tail.writeStaticString("\"t\":\"")
        tail.writeString(type)
        tail.writeStaticString("\",\"op\":0,\"d\":")
        tail.writeImmutableBuffer(payload)
        tail.writeStaticString("}")
        self.init(tail: tail, cause: cause)
    }

    /// The tail as deflate blocks that end at a byte boundary.
    func deflated(by deflater: Deflater) -> ByteBuffer {
        if let blocks { return blocks }
        let made = deflater.blocks(tail)
        blocks = made
        return made
    }

    /// The tail's Adler-32.
    var checksum: UInt {
        if let sum { return sum }
        let made = Deflater.checksum(tail)
        sum = made
        return made
    }

    /// Writes `{"s":<sequence>,`.
    ///
    /// - Returns: its length.
    static func writeHead(_ sequence: Int, to bytes: UnsafeMutableRawBufferPointer) -> Int {
        bytes[0] = UInt8(ascii: "{")
        bytes[1] = UInt8(ascii: "\"")
        bytes[2] = UInt8(ascii: "s")
        bytes[3] = UInt8(ascii: "\"")
        bytes[4] = UInt8(ascii: ":")
        var digits = 1
        var rest = sequence
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        rest = sequence
        for position in stride(from: 4 + digits, to: 4, by: -1) {
            bytes[position] = UInt8(48 + rest % 10)
            rest /= 10
        }
        bytes[5 + digits] = UInt8(ascii: ",")
        return 6 + digits
    }
}

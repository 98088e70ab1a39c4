import NIOCore

/// What a frame is for; the numbers are listed in PROTOCOL.md. Receivers skip frames of a type that they do not know.
public struct FrameType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// ``Hello``: the first frame in each direction.
    public static let hello = FrameType(rawValue: 1)
    /// ``Refusal`` in place of a hello; the connection ends after it.
    public static let refusal = FrameType(rawValue: 2)
    /// ``RequestHead`` and the request's body: opens a call under a new stream id.
    public static let request = FrameType(rawValue: 3)
    /// The body of a call's answer.
    public static let reply = FrameType(rawValue: 4)
    /// ``Failure``: a call, or the opening of a stream, failed.
    public static let failure = FrameType(rawValue: 5)
    /// The caller no longer waits for the answer.
    public static let cancel = FrameType(rawValue: 6)
    /// ``RequestHead`` with credit, and a body: opens a stream under a new stream id.
    public static let open = FrameType(rawValue: 7)
    /// ``Credit``: the stream is accepted, and its opener may send so many items.
    public static let accepted = FrameType(rawValue: 8)
    /// One item of a stream, as the body.
    public static let item = FrameType(rawValue: 9)
    /// ``Credit``: so many items more may be sent.
    public static let credit = FrameType(rawValue: 10)
    /// ``Farewell``: a stream ends, in both directions.
    public static let close = FrameType(rawValue: 11)
    /// Answered at once with a pong of the same body.
    public static let ping = FrameType(rawValue: 12)
    public static let pong = FrameType(rawValue: 13)
    /// ``Farewell``: the sender drains; calls and streams after its last id were not begun.
    public static let goAway = FrameType(rawValue: 14)
}

/// One frame of the inter-node protocol (DESIGN §8, PROTOCOL.md "Frames").
///
/// On the wire, all integers little-endian:
///
///     length u32 | type u8 | flags u8 | fields length u16 | stream id u64 | fields | body
///
/// `length` counts what follows it. `fields` are tagged fields, `body` is the rest and shares the memory that it was
/// received in.
public struct Frame: Hashable, Sendable {
    /// Bytes of the length itself.
    public static let lengthSize = 4
    /// Bytes of the header behind the length; no frame is shorter.
    public static let headerSize = 12

    public var type: FrameType
    /// None is defined in version 1: sent as 0, ignored on receipt.
    public var flags: UInt8
    /// 0 for what concerns the whole connection.
    public var streamID: UInt64
    public var fields: ByteBuffer
    public var body: ByteBuffer

    public init(
        type: FrameType, flags: UInt8 = 0, streamID: UInt64 = 0, fields: ByteBuffer = ByteBuffer(),
        body: ByteBuffer = ByteBuffer()
    ) {
        self.type = type
        self.flags = flags
        self.streamID = streamID
        self.fields = fields
        self.body = body
    }
}

/// What makes a connection's bytes unreadable; the connection is closed, since nothing after it can be trusted.
public enum FrameError: Error, Hashable, Sendable {
    /// The connection does not begin with ``FrameDecoder/preface``: the peer speaks something else.
    case foreignProtocol
    /// The announced length exceeds the maximum.
    case tooLarge(Int)
    /// The announced length is below the header's.
    case tooShort(Int)
    /// The fields would reach beyond the frame.
    case fieldsTooLong
}

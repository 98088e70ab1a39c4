import NIOCore

/// The opcodes of frames (RFC 6455 §5.2).
public enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    var isControl: Bool { rawValue >= 8 }
}

/// What can be wrong with a peer's frames; each one ends the connection.
public enum WebSocketError: Error, Hashable, Sendable {
    /// RFC 6455 is broken: reserved bits or opcodes, a missing mask, a control frame that is long or fragmented, a
    /// continuation of nothing, a close frame that is malformed. The text names it.
    case violation(String)
    /// Text that is not UTF-8.
    case invalidText
    /// A message longer than the limit; nothing was allocated for it.
    case tooLarge(limit: Int)

    /// The close code for it (RFC 6455 §7.4.1).
    public var closeCode: UInt16 {
        switch self {
        case .violation: 1002
        case .invalidText: 1007
        case .tooLarge: 1009
        }
    }
}

/// Writes frames as a server sends them: whole messages, never masked.
public enum WebSocketFrame {
    /// The most bytes of payload that a control frame holds.
    public static let maximumControlPayload = 125
    /// Bytes of the largest header that a server writes.
    public static let maximumHeaderBytes = 10

    /// How many bytes the header of a frame with this payload takes.
    static func headerBytes(payload count: Int) -> Int { count < 126 ? 2 : count < 65536 ? 4 : 10 }

    /// Writes a header to `destination`.
    ///
    /// - Returns: its length.
    @discardableResult
    static func writeHeader(
        _ opcode: WebSocketOpcode, payload count: Int, to destination: UnsafeMutableRawBufferPointer
    ) -> Int {
        destination[0] = 0x80 | opcode.rawValue
        if count < 126 {
            destination[1] = UInt8(count)
            return 2
        }
        if count < 65536 {
            destination[1] = 126
            destination[2] = UInt8(count >> 8)
            destination[3] = UInt8(truncatingIfNeeded: count)
            return 4
        }
        destination[1] = 127
        for position in 0..<8 { destination[2 + position] = UInt8(truncatingIfNeeded: count >> (56 - 8 * position)) }
        return 10
    }

    /// A whole frame.
    public static func encoded(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) -> ByteBuffer {
        let count = payload.readableBytes
        var frame = ByteBuffer()
        frame.reserveCapacity(headerBytes(payload: count) + count)
        frame.writeWithUnsafeMutableBytes(minimumWritableBytes: maximumHeaderBytes) {
            writeHeader(opcode, payload: count, to: $0)
        }
        frame.writeImmutableBuffer(payload)
        return frame
    }

    /// A close frame; the reason is cut at a character's end to fit.
    public static func close(code: UInt16, reason: String = "") -> ByteBuffer {
        var payload = ByteBuffer(integer: code)
        var text = reason
        while text.utf8.count > maximumControlPayload - 2 { text.removeLast() }
        payload.writeString(text)
        return encoded(.close, payload)
    }
}

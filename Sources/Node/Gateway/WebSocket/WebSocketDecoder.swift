import NIOCore

/// Takes a client's bytes apart into messages (RFC 6455 §5), without I/O.
///
/// Payload bytes are unmasked, and text is checked, as they come; nothing but the message in progress is kept, so an
/// idle connection holds no buffer. Sizes are checked when a header is read, before anything is reserved.
public struct WebSocketDecoder {
    /// Something whole that came in.
    public enum Event: Hashable, Sendable {
        case message(isText: Bool, ByteBuffer)
        case ping(ByteBuffer)
        case pong
        /// The client's close frame; no code when it had none.
        case close(code: UInt16?)
    }

    /// A frame whose header is read.
    private struct Frame {
        var opcode: WebSocketOpcode
        var isFinal: Bool
        var mask: UInt32
        var remaining: Int
        var received = 0
    }

    private enum State {
        case header
        case payload(Frame)
    }

    private let maximumMessageBytes: Int
    private var state = State.header
    /// A header that has come in part: at most 13 bytes.
    private var partialHeader = ByteBuffer()
    /// The data message in progress, across its fragments.
    private var message = ByteBuffer()
    private var messageIsText: Bool?
    private var validator = UTF8Validator()
    private var control = ByteBuffer()

    /// - Parameter maximumMessageBytes: the most that a message holds over all of its fragments.
    public init(maximumMessageBytes: Int) { self.maximumMessageBytes = maximumMessageBytes }

    /// Consumes bytes up to the next whole event; `nil` when all are consumed and no event is whole.
    ///
    /// After an error the decoder is of no further use.
    public mutating func next(_ bytes: inout ByteBuffer) throws(WebSocketError) -> Event? {
        while true {
            switch state {
            case .header:
                guard let frame = try readHeader(&bytes) else { return nil }
                state = .payload(frame)
            case .payload(var frame):
                try readPayload(&bytes, &frame)
                guard frame.remaining == 0 else {
                    state = .payload(frame)
                    return nil
                }
                state = .header
                if let event = try finish(frame) { return event }
            }
        }
    }

    private mutating func readHeader(_ bytes: inout ByteBuffer) throws(WebSocketError) -> Frame? {
        guard bytes.readableBytes > 0 else { return nil }
        if partialHeader.readableBytes == 0 {
            if let frame = try parseHeader(&bytes) { return frame }
            partialHeader = ByteBuffer(bytes.readableBytesView)
            bytes.moveReaderIndex(to: bytes.writerIndex)
            return nil
        }
        // A header came in pieces: byte by byte until it is whole, so that no payload is taken along.
        while let byte: UInt8 = bytes.readInteger() {
            partialHeader.writeInteger(byte)
            if let frame = try parseHeader(&partialHeader) {
                partialHeader = ByteBuffer()
                return frame
            }
        }
        return nil
    }

    /// Reads a header, or consumes nothing. Its first two bytes are judged as soon as they are there.
    private func parseHeader(_ bytes: inout ByteBuffer) throws(WebSocketError) -> Frame? {
        let start = bytes.readerIndex
        guard let first: UInt8 = bytes.getInteger(at: start) else { return nil }
        guard first & 0x70 == 0 else { throw .violation("reserved bits are set") }
        guard let opcode = WebSocketOpcode(rawValue: first & 0xf) else { throw .violation("reserved opcode") }
        let isFinal = first & 0x80 != 0
        guard let second: UInt8 = bytes.getInteger(at: start + 1) else { return nil }
        guard second & 0x80 != 0 else { throw .violation("a client's frame must be masked") }
        let shortLength = Int(second & 0x7f)
        if opcode.isControl {
            guard isFinal else { throw .violation("fragmented control frame") }
            guard shortLength <= WebSocketFrame.maximumControlPayload else { throw .violation("long control frame") }
        } else if opcode == .continuation {
            guard messageIsText != nil else { throw .violation("continuation of nothing") }
        } else {
            guard messageIsText == nil else { throw .violation("new message within a fragmented one") }
        }
        var length = UInt64(shortLength)
        var at = start + 2
        if shortLength == 126 {
            guard let value: UInt16 = bytes.getInteger(at: at) else { return nil }
            length = UInt64(value)
            at += 2
        } else if shortLength == 127 {
            guard let value: UInt64 = bytes.getInteger(at: at) else { return nil }
            guard value >> 63 == 0 else { throw .violation("length with its highest bit set") }
            length = value
            at += 8
        }
        if !opcode.isControl, length > UInt64(maximumMessageBytes - message.readableBytes) {
            throw .tooLarge(limit: maximumMessageBytes)
        }
        guard let mask: UInt32 = bytes.getInteger(at: at, endianness: .little) else { return nil }
        bytes.moveReaderIndex(to: at + 4)
        return Frame(opcode: opcode, isFinal: isFinal, mask: mask, remaining: Int(length))
    }

    private mutating func readPayload(_ bytes: inout ByteBuffer, _ frame: inout Frame) throws(WebSocketError) {
        if frame.received == 0, frame.opcode == .text || frame.opcode == .binary {
            messageIsText = frame.opcode == .text
            validator = UTF8Validator()
        }
        let count = min(frame.remaining, bytes.readableBytes)
        guard count > 0, let slice = bytes.readSlice(length: count) else { return }
        // The mask turned so that it begins at this piece's first byte.
        let turned = UInt32(8 * (frame.received & 3))
        let mask = turned == 0 ? frame.mask : frame.mask >> turned | frame.mask << (32 - turned)
        frame.remaining -= count
        frame.received += count
        if frame.opcode.isControl {
            WebSocketDecoder.unmask(slice, mask, into: &control)
            return
        }
        let start = message.writerIndex
        WebSocketDecoder.unmask(slice, mask, into: &message)
        if messageIsText == true {
            let isValid = message.withUnsafeReadableBytes {
                validator.check(UnsafeRawBufferPointer(rebasing: $0[(start - message.readerIndex)...]))
            }
            guard isValid else { throw .invalidText }
        }
    }

    private static func unmask(_ slice: ByteBuffer, _ mask: UInt32, into buffer: inout ByteBuffer) {
        let wide = UInt64(mask) << 32 | UInt64(mask)
        slice.withUnsafeReadableBytes { source in
            _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: source.count) { destination in
                var index = 0
                while index + 8 <= source.count {
                    let word = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                    destination.storeBytes(of: (word ^ wide).littleEndian, toByteOffset: index, as: UInt64.self)
                    index += 8
                }
                while index < source.count {
                    destination[index] = source[index] ^ UInt8(truncatingIfNeeded: mask >> UInt32(8 * (index & 3)))
                    index += 1
                }
                return source.count
            }
        }
    }

    /// A frame is whole: the event that it completes, if it does.
    private mutating func finish(_ frame: Frame) throws(WebSocketError) -> Event? {
        if frame.opcode.isControl {
            let payload = control
            control = ByteBuffer()
            switch frame.opcode {
            case .ping: return .ping(payload)
            case .pong: return .pong
            default: return .close(code: try WebSocketDecoder.closeCode(payload))
            }
        }
        guard frame.isFinal else { return nil }
        let isText = messageIsText == true
        if isText, !validator.isComplete { throw .invalidText }
        let whole = message
        message = ByteBuffer()
        messageIsText = nil
        return .message(isText: isText, whole)
    }

    /// The code in a close frame's payload (RFC 6455 §7.4.2): those that may stand in a frame only.
    private static func closeCode(_ payload: ByteBuffer) throws(WebSocketError) -> UInt16? {
        guard payload.readableBytes > 0 else { return nil }
        var payload = payload
        guard let code: UInt16 = payload.readInteger() else { throw .violation("close frame of one byte") }
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: break
        default: throw .violation("close code \(code)")
        }
        var validator = UTF8Validator()
        guard payload.withUnsafeReadableBytes({ validator.check($0) }), validator.isComplete else {
            throw .invalidText
        }
        return code
    }
}

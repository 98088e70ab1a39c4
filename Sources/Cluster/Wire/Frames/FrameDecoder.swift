import NIOCore

/// Cuts a connection's bytes into frames.
///
/// Total: every input gives frames, "need more" (`nil`) or a ``FrameError``. Lengths are checked before anything is
/// allocated for them, and memory grows only with bytes that have arrived, so that a peer which announces a large frame
/// and sends nothing costs nothing.
public struct FrameDecoder {
    /// The eight bytes that each side sends first. They hold a line end and a non-ASCII byte, so that text protocols
    /// and text-mode transfers are told apart at once.
    public static let preface: [UInt8] = [0xC7, 0x47, 0x48, 0x41, 0x4C, 0x4C, 0x0D, 0x0A]

    /// The longest frame accepted, in bytes, its length field not counted. Raised after the handshake.
    public var maximumLength: Int
    private var expectsPreface: Bool
    private var buffer = ByteBuffer()
    /// Whether others hold slices of `buffer`'s memory: appending in place would copy all of it.
    private var isShared = false
    private var failure: FrameError?

    /// - Parameter maximumLength: at least ``Frame/headerSize``.
    public init(maximumLength: Int, expectsPreface: Bool = false) {
        self.maximumLength = maximumLength
        self.expectsPreface = expectsPreface
    }

    /// Bytes that wait for the rest of their frame.
    public var bufferedBytes: Int { buffer.readableBytes }

    /// Takes bytes from the connection, in order.
    public mutating func append(_ bytes: ByteBuffer) {
        guard failure == nil, bytes.readableBytes > 0 else { return }
        if buffer.readableBytes == 0 {
            buffer = bytes
            isShared = true
        } else if isShared {
            var fresh = ByteBuffer()
            fresh.reserveCapacity(buffer.readableBytes + bytes.readableBytes)
            fresh.writeImmutableBuffer(buffer)
            fresh.writeImmutableBuffer(bytes)
            buffer = fresh
            isShared = false
        } else {
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next whole frame, or `nil` when more bytes are needed.
    ///
    /// - Throws: the same error again on every later call.
    public mutating func next() throws(FrameError) -> Frame? {
        if let failure { throw failure }
        do {
            return try decode()
        } catch {
            failure = error
            buffer = ByteBuffer()
            throw error
        }
    }

    private mutating func decode() throws(FrameError) -> Frame? {
        if expectsPreface {
            let preface = FrameDecoder.preface
            guard
                buffer.readableBytesView.elementsEqual(preface.prefix(buffer.readableBytes))
                    || buffer.readableBytesView.starts(with: preface)
            else { throw .foreignProtocol }
            guard buffer.readableBytes >= preface.count else { return nil }
            buffer.moveReaderIndex(forwardBy: preface.count)
            expectsPreface = false
        }
        let start = buffer.readerIndex
        guard let announced: UInt32 = buffer.getInteger(at: start, endianness: .little) else { return nil }
        let length = Int(announced)
        guard length >= Frame.headerSize else { throw .tooShort(length) }
        guard length <= maximumLength else { throw .tooLarge(length) }
        guard buffer.readableBytes >= Frame.lengthSize + 4 else { return nil }
        guard
            let (_, type, flags, fieldsLength) = buffer.peekMultipleIntegers(
                endianness: .little, as: (UInt32, UInt8, UInt8, UInt16).self)
        else { return nil }
        guard Int(fieldsLength) <= length - Frame.headerSize else { throw .fieldsTooLong }
        guard buffer.readableBytes >= Frame.lengthSize + length else { return nil }
        let bodyLength = length - Frame.headerSize - Int(fieldsLength)
        buffer.moveReaderIndex(forwardBy: Frame.lengthSize + 4)
        guard
            let streamID: UInt64 = buffer.readInteger(endianness: .little),
            let fields = buffer.readSlice(length: Int(fieldsLength)), let body = buffer.readSlice(length: bodyLength)
        else {
            // Cannot happen: the whole frame is in the buffer. Treated as a broken frame all the same.
            throw .fieldsTooLong
        }
        isShared = true
        return Frame(type: FrameType(rawValue: type), flags: flags, streamID: streamID, fields: fields, body: body)
    }
}

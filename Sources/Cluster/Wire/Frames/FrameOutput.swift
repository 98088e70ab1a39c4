import NIOCore

/// Collects frames for one write.
///
/// Heads and small bodies go into one buffer; large bodies are passed on as they are, never copied.
public struct FrameOutput {
    /// Bodies from this size on, in bytes, are shared: below it a copy is cheaper than one more buffer to write.
    public static let sharedBodySize = 2048
    /// The most that a frame's fields may take, in bytes.
    public static let maximumFields = Int(UInt16.max)

    private var sealed: [ByteBuffer] = []
    private var tail = ByteBuffer()
    /// Bytes collected and not yet taken.
    public private(set) var byteCount = 0

    public init() {}

    public var isEmpty: Bool { byteCount == 0 }

    public mutating func appendPreface() {
        tail.writeBytes(FrameDecoder.preface)
        byteCount += FrameDecoder.preface.count
    }

    /// Appends one frame. The caller has checked that the body fits the lane's maximum.
    public mutating func append(
        _ type: FrameType, streamID: UInt64 = 0, body: ByteBuffer = ByteBuffer(),
        fields: (inout FieldWriter) -> Void = { _ in }
    ) {
        let start = tail.writerIndex
        tail.writeMultipleIntegers(
            UInt32(0), type.rawValue, UInt8(0), UInt16(0), streamID, endianness: .little)
        let fieldsStart = tail.writerIndex
        // Moves the buffer through the writer, so that it stays uniquely referenced and is not copied.
        var writer = FieldWriter(buffer: tail)
        tail = ByteBuffer()
        fields(&writer)
        tail = writer.buffer
        writer = FieldWriter()
        let fieldsLength = tail.writerIndex - fieldsStart
        precondition(fieldsLength <= FrameOutput.maximumFields, "a frame's fields are bounded by their writers")
        let length = Frame.headerSize + fieldsLength + body.readableBytes
        tail.setInteger(UInt32(length), at: start, endianness: .little)
        tail.setInteger(UInt16(fieldsLength), at: start + Frame.lengthSize + 2, endianness: .little)
        if body.readableBytes >= FrameOutput.sharedBodySize {
            sealed.append(tail)
            sealed.append(body)
            tail = ByteBuffer()
        } else {
            tail.writeImmutableBuffer(body)
        }
        byteCount += Frame.lengthSize + length
    }

    /// The buffers to write, in order; the output is empty afterwards.
    public mutating func take() -> [ByteBuffer] {
        var taken = sealed
        sealed.removeAll()
        if tail.readableBytes > 0 { taken.append(tail) }
        tail = ByteBuffer()
        byteCount = 0
        return taken
    }
}

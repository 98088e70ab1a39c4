import NIOCore

/// Cuts a streaming call's bytes into its messages, one JSON object a line.
struct MessageSplitter {
    struct TooLong: Error {}

    private var buffer = ByteBuffer()
    /// How far `buffer` holds no line end.
    private var searched = 0
    private let limit: Int

    init(limit: Int = EtcdLimits.maximumWatchMessage) { self.limit = limit }

    /// The bytes that are held; never more than the limit and one read of the socket.
    var count: Int { buffer.readableBytes }

    mutating func append(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 { buffer.clear() }
        buffer.writeImmutableBuffer(bytes)
    }

    /// The next whole message; `nil` when more bytes are needed.
    mutating func next() throws(TooLong) -> ByteBuffer? {
        while true {
            let view = buffer.readableBytesView.dropFirst(searched)
            guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else {
                searched = buffer.readableBytes
                guard searched <= limit else { throw TooLong() }
                return nil
            }
            let length = end - buffer.readerIndex
            guard length <= limit, let line = buffer.readSlice(length: length) else { throw TooLong() }
            buffer.moveReaderIndex(forwardBy: 1)
            buffer.discardReadBytes()
            searched = 0
            if line.readableBytes > 0 { return line }
        }
    }
}

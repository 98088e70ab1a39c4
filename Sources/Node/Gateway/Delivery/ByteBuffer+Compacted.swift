import NIOCore

extension ByteBuffer {
    /// The same bytes, copied out of a memory of more than twice their size.
    ///
    /// What comes over the transport is a slice of the memory that it was read into (PROTOCOL.md): a small part that is
    /// kept for minutes would keep all of it.
    func compacted() -> ByteBuffer {
        storageCapacity > 2 * max(readableBytes, 64) ? ByteBuffer(bytes: readableBytesView) : self
    }
}

import NIOCore

/// Memory of one loop into which a connection's waiting deliveries are written before they go out in one send.
final class OutputScratch {
    private(set) var base: UnsafeMutableRawPointer
    private(set) var count = 0
    private(set) var capacity: Int
    private let usualCapacity: Int
    /// A rare large write does not keep more memory than this.
    static let maximumIdleCapacity = 4 << 20

    init(capacity: Int = 256 * 1024) {
        self.capacity = capacity
        usualCapacity = capacity
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { base.deallocate() }

    func removeAll() {
        count = 0
        guard capacity > OutputScratch.maximumIdleCapacity else { return }
        base.deallocate()
        capacity = usualCapacity
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    /// Lets `body` write up to `bytes` bytes; it returns how many it wrote.
    func write(upTo bytes: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) {
        reserve(bytes)
        count += body(UnsafeMutableRawBufferPointer(start: base + count, count: bytes))
    }

    func append(_ buffer: ByteBuffer) {
        buffer.withUnsafeReadableBytes { append($0) }
    }

    func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    private func reserve(_ bytes: Int) {
        guard count + bytes > capacity else { return }
        capacity = max(capacity * 2, count + bytes)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        larger.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = larger
    }

    /// A copy of what was written from `start` on.
    func bytes(from start: Int = 0) -> ByteBuffer {
        ByteBuffer(bytes: UnsafeRawBufferPointer(start: base + start, count: count - start))
    }
}

import CZlib
import NIOCore

/// Makes deflate blocks that belong to no stream, so that one compression serves every connection (DESIGN §10).
///
/// A block's matches reach back only into the block itself, and it ends at a byte boundary by a sync flush
/// (`00 00 FF FF`): by RFC 1951 it may stand behind any bytes of any stream that stopped at a byte boundary. Used on
/// one thread; its working memory (256 KB) is the only one a loop has.
final class Deflater {
    /// What a zlib stream begins with: deflate, window of 32 KB, default level (RFC 1950 §2.2).
    static let streamHeader: [UInt8] = [0x78, 0x9c]
    /// An empty stored block: what ends a message of a zlib stream when no block of ours does.
    static let syncFlush: [UInt8] = [0x00, 0x00, 0x00, 0xff, 0xff]
    /// The final, empty block that ends a deflate stream.
    static let finalBlock: [UInt8] = [0x03, 0x00]
    /// The most bytes that a stored block holds.
    static let maximumStoredBytes = 65535

    private let stream: UnsafeMutablePointer<z_stream>
    /// How often, and for how long, it was used since ``takeUse()``.
    private var use = (count: 0, nanoseconds: 0)

    init(level: Int32 = 6) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // Negative window bits: no header and no checksum. It fails only when memory is out.
        let result = deflateInit2_(
            stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(result == Z_OK, "zlib has no memory for one compressor")
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// `bytes` as blocks of their own, ended by a sync flush.
    func blocks(_ bytes: ByteBuffer) -> ByteBuffer {
        let start = NIODeadline.now()
        defer { use = (use.count + 1, use.nanoseconds + Int((NIODeadline.now() - start).nanoseconds)) }
        deflateReset(stream)
        var output = ByteBuffer()
        // The bound covers a finished stream; a sync flush adds at most an empty stored block.
        let bound = Int(deflateBound(stream, uLong(bytes.readableBytes))) + 16
        bytes.withUnsafeReadableBytes { source in
            _ = output.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { destination in
                // zlib does not write to its input; its C type lacks the const.
                stream.pointee.next_in = UnsafeMutableRawPointer(mutating: source.baseAddress)?
                    .assumingMemoryBound(to: UInt8.self)
                stream.pointee.avail_in = UInt32(source.count)
                stream.pointee.next_out = destination.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.pointee.avail_out = UInt32(destination.count)
                let result = deflate(stream, Z_SYNC_FLUSH)
                precondition(
                    result == Z_OK && stream.pointee.avail_in == 0 && stream.pointee.avail_out > 0,
                    "deflateBound bounds the output")
                return destination.count - Int(stream.pointee.avail_out)
            }
        }
        return output
    }

    func takeUse() -> (count: Int, nanoseconds: Int) {
        defer { use = (0, 0) }
        return use
    }

    static func checksum(_ bytes: ByteBuffer) -> UInt {
        bytes.withUnsafeReadableBytes {
            adler32(1, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32($0.count))
        }
    }
}

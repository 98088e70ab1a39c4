import CZlib
import NIOCore

/// zlib streams of whole buffers.
enum Deflate {
    /// Rows and entries are short texts and numbers: higher levels cost twice the time for a few hundredths.
    private static let level: Int32 = 3

    static func compress(_ plain: ByteBuffer) -> ByteBuffer {
        var output = ByteBuffer()
        let bound = Int(compressBound(uLong(plain.readableBytes)))
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { target in
            plain.withUnsafeReadableBytes { source in
                var count = uLongf(target.count)
                let result = compress2(
                    target.bindMemory(to: UInt8.self).baseAddress, &count,
                    source.bindMemory(to: UInt8.self).baseAddress, uLong(source.count), level)
                precondition(result == Z_OK, "zlib fails only without memory or room, and the room is its own bound")
                return Int(count)
            }
        }
        return output
    }

    /// `nil` unless the stream unpacks to exactly `length` bytes.
    static func decompress(_ compressed: ByteBuffer, to length: Int) -> ByteBuffer? {
        var output = ByteBuffer()
        var isWhole = false
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { target in
            compressed.withUnsafeReadableBytes { source in
                var count = uLongf(length)
                let result = uncompress(
                    target.bindMemory(to: UInt8.self).baseAddress, &count,
                    source.bindMemory(to: UInt8.self).baseAddress, uLong(source.count))
                isWhole = result == Z_OK && Int(count) == length
                return isWhole ? length : 0
            }
        }
        return isWhole ? output : nil
    }
}

import CZlib
import NIOCore

/// How a connection's payloads are framed and compressed (Discord, "Encoding and Compression").
enum OutputEncoding: Hashable {
    /// JSON in text frames.
    case text
    /// As ``text``, but larger dispatches are whole zlib streams of their own in binary frames: IDENTIFY's `compress`.
    case payloadCompression
    /// One zlib stream for the connection; every message ends with a sync flush.
    case zlibStream(hasBegun: Bool)
    /// One zstd frame for the connection, of raw blocks: correct by RFC 8878, and nothing is saved. Blocks that share
    /// no state need no library and no context a connection.
    case zstdStream(hasBegun: Bool)

    /// Dispatches from this size on are compressed under ``payloadCompression``.
    static let smallestCompressedPayload = 1024
    /// Magic number, a header that says nothing of size or checksum, and a window of 128 KB (RFC 8878 §3.1.1).
    private static let zstdFrameHeader: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]
    /// The most bytes of a zstd block with that window.
    private static let maximumZstdBlock = 128 * 1024

    /// Appends the frame of a dispatch.
    mutating func write(
        _ dispatch: Dispatch, sequence: Int, to scratch: OutputScratch, deflater: Deflater
    ) {
        withUnsafeTemporaryAllocation(byteCount: Dispatch.maximumHeadBytes, alignment: 1) { memory in
            let count = Dispatch.writeHead(sequence, to: memory)
            let head = UnsafeRawBufferPointer(rebasing: memory[..<count])
            let tail = dispatch.tail.readableBytes
            switch self {
            case .payloadCompression where tail >= OutputEncoding.smallestCompressedPayload:
                let blocks = dispatch.deflated(by: deflater)
                let size = 2 + 5 + count + blocks.readableBytes + 2 + 4
                OutputEncoding.header(.binary, size, scratch)
                scratch.append(Deflater.streamHeader)
                OutputEncoding.stored(head, scratch)
                scratch.append(blocks)
                scratch.append(Deflater.finalBlock)
                let headSum = adler32(1, head.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(count))
                let sum = UInt32(truncatingIfNeeded: adler32_combine(headSum, dispatch.checksum, tail))
                withUnsafeBytes(of: sum.bigEndian) { scratch.append($0) }
            case .text, .payloadCompression:
                OutputEncoding.header(.text, count + tail, scratch)
                scratch.append(head)
                scratch.append(dispatch.tail)
            case .zlibStream(let hasBegun) where tail >= Dispatch.smallestDeflated:
                let blocks = dispatch.deflated(by: deflater)
                OutputEncoding.header(.binary, (hasBegun ? 0 : 2) + 5 + count + blocks.readableBytes, scratch)
                if !hasBegun { scratch.append(Deflater.streamHeader) }
                OutputEncoding.stored(head, scratch)
                scratch.append(blocks)
                self = .zlibStream(hasBegun: true)
            case .zlibStream, .zstdStream:
                var whole = ByteBuffer(bytes: head)
                whole.writeImmutableBuffer(dispatch.tail)
                write(whole, to: scratch)
            }
        }
    }

    /// Appends the frame of a payload that is the connection's own: HELLO, heartbeat ACK and the like.
    mutating func write(_ payload: ByteBuffer, to scratch: OutputScratch) {
        let count = payload.readableBytes
        switch self {
        case .text, .payloadCompression:
            OutputEncoding.header(.text, count, scratch)
            scratch.append(payload)
        case .zlibStream(let hasBegun):
            let pieces = max(1, (count + Deflater.maximumStoredBytes - 1) / Deflater.maximumStoredBytes)
            let size = (hasBegun ? 0 : 2) + 5 * pieces + count + Deflater.syncFlush.count
            OutputEncoding.header(.binary, size, scratch)
            if !hasBegun { scratch.append(Deflater.streamHeader) }
            payload.withUnsafeReadableBytes { bytes in
                for piece in 0..<pieces {
                    let start = piece * Deflater.maximumStoredBytes
                    let end = min(start + Deflater.maximumStoredBytes, count)
                    OutputEncoding.stored(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), scratch)
                }
            }
            scratch.append(Deflater.syncFlush)
            self = .zlibStream(hasBegun: true)
        case .zstdStream(let hasBegun):
            let pieces = max(1, (count + OutputEncoding.maximumZstdBlock - 1) / OutputEncoding.maximumZstdBlock)
            let header = hasBegun ? [] : OutputEncoding.zstdFrameHeader
            OutputEncoding.header(.binary, header.count + 3 * pieces + count, scratch)
            scratch.append(header)
            payload.withUnsafeReadableBytes { bytes in
                for piece in 0..<pieces {
                    let start = piece * OutputEncoding.maximumZstdBlock
                    let end = min(start + OutputEncoding.maximumZstdBlock, count)
                    // Not the last block, raw, size: 1, 2 and 21 bits, little-endian (RFC 8878 §3.1.1.2).
                    let field = UInt32(end - start) << 3
                    scratch.append([
                        UInt8(truncatingIfNeeded: field), UInt8(truncatingIfNeeded: field >> 8),
                        UInt8(truncatingIfNeeded: field >> 16),
                    ])
                    scratch.append(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                }
            }
            self = .zstdStream(hasBegun: true)
        }
    }

    private static func header(_ opcode: WebSocketOpcode, _ count: Int, _ scratch: OutputScratch) {
        scratch.write(upTo: WebSocketFrame.maximumHeaderBytes) {
            WebSocketFrame.writeHeader(opcode, payload: count, to: $0)
        }
    }

    /// A stored block of deflate: not final, type 0, padding, length and its complement (RFC 1951 §3.2.4).
    private static func stored(_ bytes: UnsafeRawBufferPointer, _ scratch: OutputScratch) {
        let length = UInt16(bytes.count)
        scratch.write(upTo: 5) {
            $0[0] = 0
            $0[1] = UInt8(truncatingIfNeeded: length)
            $0[2] = UInt8(length >> 8)
            $0[3] = UInt8(truncatingIfNeeded: ~length)
            $0[4] = UInt8(~length >> 8)
            return 5
        }
        scratch.append(bytes)
    }
}

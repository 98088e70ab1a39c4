import NIOCore

/// One payload by what it has in common with another: the redacted form of an event differs from the full one in one
/// place, so that most of its bytes need not be logged and sent twice.
struct PayloadDifference: FieldCodable {
    /// Bytes at the begin, and at the end, that are the other's.
    var prefix: Int
    var suffix: Int
    /// What stands between them.
    var middle: ByteBuffer

    init(from original: ByteBuffer, to changed: ByteBuffer) {
        (prefix, suffix) = original.withUnsafeReadableBytes { original in
            changed.withUnsafeReadableBytes { changed in
                let limit = min(original.count, changed.count)
                var prefix = 0
                while prefix < limit, original[prefix] == changed[prefix] { prefix += 1 }
                var suffix = 0
                while suffix < limit - prefix,
                    original[original.count - 1 - suffix] == changed[changed.count - 1 - suffix]
                {
                    suffix += 1
                }
                return (prefix, suffix)
            }
        }
        let count = changed.readableBytes - prefix - suffix
        // Within the readable bytes, as both are counted in them.
        middle = changed.getSlice(at: changed.readerIndex + prefix, length: count) ?? ByteBuffer()
    }

    /// The changed payload; `nil` when this is no difference from `original`.
    func applied(to original: ByteBuffer) -> ByteBuffer? {
        guard prefix <= original.readableBytes, suffix <= original.readableBytes - prefix else { return nil }
        var changed = ByteBuffer()
        changed.reserveCapacity(prefix + middle.readableBytes + suffix)
        original.withUnsafeReadableBytes { bytes in
            _ = changed.writeBytes(bytes[..<prefix])
            changed.writeImmutableBuffer(middle)
            _ = changed.writeBytes(bytes[(bytes.count - suffix)...])
        }
        return changed
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, prefix)
        writer.write(2, suffix)
        writer.write(3, middle)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        prefix = 0
        suffix = 0
        middle = ByteBuffer()
        while let field = try reader.next() {
            switch field.number {
            case 1: prefix = try field.int()
            case 2: suffix = try field.int()
            case 3: middle = try field.bytes()
            default: break
            }
        }
    }
}

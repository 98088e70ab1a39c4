import NIOCore

extension ByteBuffer {
    /// The elements of a JSON array, as they stand; `nil` when the bytes are not an array.
    ///
    /// Only strings and brackets are looked at: it serves to cut up what another process of the cluster has encoded.
    func jsonArrayElements() -> [ByteBuffer]? {
        let bytes = readableBytesView
        guard let open = bytes.first, open == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]") else { return nil }
        var elements: [ByteBuffer] = []
        var depth = 0
        var isInString = false
        var isEscaped = false
        var start = bytes.startIndex + 1
        func append(upTo end: Int) {
            if let slice = getSlice(at: start, length: end - start), slice.readableBytes > 0 { elements.append(slice) }
        }
        for index in (bytes.startIndex + 1)..<(bytes.endIndex - 1) {
            let byte = bytes[index]
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ",") where depth == 0:
                append(upTo: index)
                start = index + 1
            default: break
            }
            if depth < 0 { return nil }
        }
        guard depth == 0, !isInString else { return nil }
        append(upTo: bytes.endIndex - 1)
        return elements
    }
}

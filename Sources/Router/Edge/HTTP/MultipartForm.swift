import NIOCore

/// Forms of `multipart/form-data` (RFC 7578), of which only the field `payload_json` is taken: libraries wrap a
/// message's JSON so when they send files with it.
enum MultipartForm {
    /// A message and ten files, with room for what libraries add.
    static let maximumParts = 32
    /// RFC 2046 §5.1.1.
    static let maximumBoundaryBytes = 70

    /// The JSON of the form.
    ///
    /// - Throws: ``EdgeError/filesNotAccepted`` when there is a file, or 400 when it is no form or lacks the field.
    static func payload(_ body: ByteBuffer, contentType: String) throws(EdgeError) -> ByteBuffer {
        let malformed = EdgeError(.badRequest, code: 50035, "Invalid Form Body")
        guard let boundary = boundary(in: contentType) else { throw malformed }
        let bytes = body.readableBytesView
        let delimiter = Array("--\(boundary)".utf8)
        guard var at = find(delimiter, in: bytes, from: bytes.startIndex) else { throw malformed }
        var payload: ByteBuffer?
        for _ in 0..<maximumParts {
            at += delimiter.count
            // `--` after the delimiter ends the form.
            if bytes[at...].starts(with: Array("--".utf8)) {
                guard let payload else { throw malformed }
                return payload
            }
            guard let headersEnd = find(Array("\r\n\r\n".utf8), in: bytes, from: at),
                let next = find(Array("\r\n".utf8) + delimiter, in: bytes, from: headersEnd + 2)
            else { throw malformed }
            let headers = String(decoding: bytes[at..<headersEnd], as: UTF8.self)
            let disposition = headers.split(separator: "\r\n").first {
                $0.lowercased().hasPrefix("content-disposition:")
            }
            guard let disposition, let name = parameter("name", in: disposition) else { throw malformed }
            if parameter("filename", in: disposition) != nil || name.hasPrefix("file") { throw .filesNotAccepted }
            let content = headersEnd + 4
            guard next >= content else {
                // An empty part: the blank line is the delimiter's own.
                at = next + 2
                continue
            }
            if name == "payload_json" {
                payload = body.getSlice(at: content, length: next - content)
            }
            at = next + 2
        }
        throw malformed
    }

    static func boundary(in contentType: String) -> Substring? {
        guard let value = parameter("boundary", in: contentType[...]),
            (1...maximumBoundaryBytes).contains(value.utf8.count)
        else { return nil }
        return value
    }

    /// The value of a header's parameter, its quotes taken off.
    private static func parameter(_ name: String, in header: Substring) -> Substring? {
        for part in header.split(separator: ";").dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2, pair[0].drop(while: { $0 == " " }).lowercased() == name else { continue }
            let value = pair[1]
            guard value.first == "\"" else { return value.prefix { $0 != " " } }
            return value.dropFirst().prefix { $0 != "\"" }
        }
        return nil
    }

    private static func find(_ needle: [UInt8], in bytes: ByteBufferView, from start: Int) -> Int? {
        guard let first = needle.first else { return nil }
        var at = start
        while at + needle.count <= bytes.endIndex {
            guard let candidate = bytes[at...].firstIndex(of: first), candidate + needle.count <= bytes.endIndex else {
                return nil
            }
            if bytes[candidate..<candidate + needle.count].elementsEqual(needle) { return candidate }
            at = candidate + 1
        }
        return nil
    }
}

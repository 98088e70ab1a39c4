/// Percent-encoding of paths, queries and header values (RFC 3986 §2.1).
public enum PercentEncoding {
    /// The decoded text; `nil` for a broken escape, or when the result is not UTF-8.
    ///
    /// - Parameter plusIsSpace: as in queries of forms.
    public static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || (plusIsSpace && $0 == UInt8(ascii: "+")) }) else {
            return String(text)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(nibble), let low = rest.next().flatMap(nibble) else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace:
                bytes.append(UInt8(ascii: " "))
            default:
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func nibble(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 48...57: digit - 48
        case 65...70: digit - 55
        case 97...102: digit - 87
        default: nil
        }
    }
}

/// A request's query, decoded: names may repeat and keep their order.
public enum QueryString {
    /// More parameters than any operation takes.
    public static let maximumParameters = 64

    /// `nil` when there are too many parameters or an escape is broken.
    public static func parse(_ text: Substring) -> [(name: String, value: String)]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: "&", maxSplits: maximumParameters)
        guard parts.count <= maximumParameters else { return nil }
        var parameters: [(name: String, value: String)] = []
        parameters.reserveCapacity(parts.count)
        for part in parts {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(pair[0], plusIsSpace: true),
                let value = PercentEncoding.decode(pair.count > 1 ? pair[1] : "", plusIsSpace: true)
            else { return nil }
            parameters.append((name, value))
        }
        return parameters
    }
}

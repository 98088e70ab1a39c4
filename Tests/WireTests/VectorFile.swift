import Foundation
import NIOCore
import Testing

/// The test vectors of PROTOCOL.md: lines of `name = hexadecimal`, `#` for comments.
struct VectorFile {
    var names: [String] = []
    var bytes: [String: [UInt8]] = [:]

    static var folder: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Vectors")
    }

    init(_ name: String) throws {
        let text = try String(contentsOf: VectorFile.folder.appendingPathComponent(name), encoding: .utf8)
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            try #require(parts.count == 2, "a vector is NAME = HEX: \(line)")
            names.append(parts[0])
            bytes[parts[0]] = try VectorFile.parse(parts[1])
        }
    }

    static func parse(_ hexadecimal: String) throws -> [UInt8] {
        let digits = hexadecimal.filter { !$0.isWhitespace }
        try #require(digits.count.isMultiple(of: 2), "odd number of digits: \(hexadecimal)")
        var bytes: [UInt8] = []
        var rest = digits[...]
        while !rest.isEmpty {
            bytes.append(try #require(UInt8(rest.prefix(2), radix: 16)))
            rest = rest.dropFirst(2)
        }
        return bytes
    }

    static func hexadecimal(_ buffer: ByteBuffer) -> String {
        buffer.readableBytesView.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}

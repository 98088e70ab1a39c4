import Foundation
import NIOCore
import Testing

/// Every released version's values are read by this build, and what it writes itself does not change unnoticed.
///
/// `Vectors/version-N.txt` holds what version N writes, recorded by `scripts/record-vectors` from its sources.
@Suite struct VersionTests {
    static let released = ["version-1.txt"]
    /// Of this build. While its version is not released, `scripts/record-vectors` may record it anew.
    static let own = "version-2.txt"

    private func vectors(_ file: String) throws -> [String: ByteBuffer] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Vectors")
        let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
        var vectors: [String: ByteBuffer] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: "=").map { $0.trimmingCharacters(in: .whitespaces) }
            let digits = Array(parts.count == 2 ? parts[1] : "")
            try #require(!digits.isEmpty && digits.count.isMultiple(of: 2), "a vector is NAME = HEX: \(line)")
            var bytes = ByteBuffer()
            for start in stride(from: 0, to: digits.count, by: 2) {
                bytes.writeInteger(try #require(UInt8(String(digits[start...start + 1]), radix: 16)))
            }
            vectors[parts[0]] = bytes
        }
        return vectors
    }

    @Test(arguments: released) func whatAnOlderVersionWroteReadsAsTheSameValues(file: String) throws {
        let vectors = try vectors(file)
        #expect(Set(StoredValue.common.map(\.name)).isSubset(of: vectors.keys))
        for value in StoredValue.all {
            guard let bytes = vectors[value.name] else { continue }
            let read = try value.recoded(bytes)
            let own = try value.encoded()
            #expect(read == own, "\(value.name): \(hexadecimal(read)), not \(hexadecimal(own))")
        }
    }

    @Test func thisVersionWritesWhatItsVectorsSay() throws {
        let vectors = try vectors(VersionTests.own)
        #expect(Set(vectors.keys) == Set(StoredValue.all.map(\.name)))
        for value in StoredValue.all {
            let own = try value.encoded()
            #expect(own == vectors[value.name], "\(value.name) = \(hexadecimal(own))")
            #expect(try value.recoded(own) == own, "\(value.name)")
        }
    }

    private func hexadecimal(_ bytes: ByteBuffer) -> String {
        bytes.readableBytesView.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}

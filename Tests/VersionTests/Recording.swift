import Foundation
import NIOCore
import Testing

/// Writes what this build writes, for `scripts/record-vectors`.
@Suite struct Recording {
    static let file = ProcessInfo.processInfo.environment["GUILDHALL_TEST_RECORD_VECTORS"]

    @Test(.enabled(if: Recording.file != nil, "only for scripts/record-vectors"))
    func theStoredValuesAreRecorded() throws {
        let path = try #require(Recording.file)
        var text = ""
        for value in StoredValue.all {
            let bytes = try value.encoded()
            text +=
                "\(value.name) = \(bytes.readableBytesView.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined())\n"
        }
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }
}

import Foundation

/// What a person or a script reads: results on standard output, everything else on standard error.
enum Console {
    /// Writes a line of the command's result.
    static func result(_ line: String) {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
        } catch let error as CocoaError where error.isClosedPipe {
            // The reader has seen enough, as in `| head`.
        } catch {
            note("the result cannot be written: \(error.localizedDescription)")
        }
    }

    /// Writes a line for the person who watches.
    static func note(_ line: String) {
        // Where nobody watches any more, the command goes on: a supervisor keeps its cluster running.
        try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
    }

    /// Writes `value` as JSON with sorted keys, so that two runs can be compared.
    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        result(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}

extension CocoaError {
    fileprivate var isClosedPipe: Bool {
        let cause = userInfo[NSUnderlyingErrorKey] as? NSError
        return cause?.domain == NSPOSIXErrorDomain && cause?.code == Int(EPIPE)
    }
}
